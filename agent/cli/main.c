/* main.c - the command `gumshoe`: finds the sub-command and hands over. */
#include "base/errors.h"
#include "base/json.h"
#include "cli/cli.h"
#include "gumshoe/gumshoe.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void help(FILE *out)
{
    fprintf(out,
            "gumshoe - a process that watches itself and keeps the evidence\n\nusage: gumshoe COMMAND …\n\n");
    for (const struct gs_command *command = gs_commands; command->name; command++)
        fprintf(out, "  %-8s %s\n", command->name, command->help);
    fprintf(out, "\n  gumshoe COMMAND --help says more; man gumshoe says most.\n"
                 "exit status: 0 fine, 1 the answer is no, 2 wrong usage, 3 input or output failed\n");
}

void gs_command_help(const char *name)
{
    const struct gs_command *command = gs_command_find(name);
    printf("usage: gumshoe %s %s\n%s\n\n%s", command->name, command->arguments, command->help,
           command->options);
}

int gs_usage(const char *name, const char *format, ...)
{
    const struct gs_command *command = gs_command_find(name);
    va_list args;
    va_start(args, format);
    fprintf(stderr, "gumshoe %s: ", name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nusage: gumshoe %s %s\n", command->name, command->arguments);
    va_end(args);
    return GS_USAGE;
}

int gs_complain(enum gs_exit status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("gumshoe: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

const char *gs_default_dir(void)
{
    const char *dir = getenv("GUMSHOE_DIR");
    return dir && *dir ? dir : "incidents";
}

void gs_print_harmless(const char *text, size_t length)
{
    for (const char *at = text, *end = text + length; at < end;) {
        size_t line = 0; // up to a newline, a tab or a NUL, which gs_text_add_printable would show or stop at
        while (at + line < end && at[line] != '\n' && at[line] != '\t' && at[line])
            line++;
        char *part = strndup(at, line);
        struct gs_text harmless = {0};
        if (part)
            gs_text_add_printable(&harmless, part);
        if (harmless.bytes)
            fputs(harmless.bytes, stdout);
        gs_text_fini(&harmless);
        free(part);
        if (at + line < end && at[line])
            putchar(at[line]);
        at += line + 1;
    }
}

int gs_print_json(const json_t *json)
{
    if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0)
        return gs_complain(GS_IO, "%s", json ? "the answer could not be written" : "out of memory");
    return putchar('\n') == EOF || fflush(stdout) == EOF ? GS_IO : GS_FINE;
}

bool gs_may_colour(int fd)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fd) && !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0);
}

static int unknown_command(const char *name)
{
    size_t count = 0;
    while (gs_commands[count].name)
        count++;
    const char *meant = gs_nearest(name, &gs_commands[0].name, count, sizeof gs_commands[0]);
    fprintf(stderr, "gumshoe: there is no command \"%s\"", name);
    if (meant)
        fprintf(stderr, "; did you mean \"%s\"?", meant);
    fputs("\n", stderr);
    help(stderr);
    return GS_USAGE;
}

int main(int argc, char **argv)
{
    gs_memory_for_json();
    if (argc < 2) {
        help(stderr);
        return GS_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return GS_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("gumshoe %s\n", GUMSHOE_VERSION);
        return GS_FINE;
    }
    const struct gs_command *command = gs_command_find(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0 && argv[i][0] == '-'; i++)
        if (strcmp(argv[i], "--version") == 0) {
            printf("gumshoe %s\n", GUMSHOE_VERSION);
            return GS_FINE;
        }
    int status = command->run(argc - 1, argv + 1);
    if (fflush(stdout) == EOF && status == GS_FINE)
        status = gs_complain(GS_IO, "standard output: cannot be written");
    return status;
}
