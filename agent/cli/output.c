/* output.c - the output of every command: errors to standard error, JSON and text from files to standard output. */
#include "base/text.h"
#include "cli/cli.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_escaped(FILE *stream, const char *text, size_t length)
{
    for (const char *at = text, *end = text + length; at < end;) {
        size_t line =
            0; // up to a newline, a tab or a NUL: gs_text_add_printable would escape these, or stop there
        while (at + line < end && at[line] != '\n' && at[line] != '\t' && at[line])
            line++;
        char *part = strndup(at, line);
        struct gs_text escaped = {0};
        if (part)
            gs_text_add_printable(&escaped, part);
        if (escaped.bytes)
            fputs(escaped.bytes, stream);
        gs_text_fini(&escaped);
        free(part);
        if (at + line < end && at[line])
            fputc(at[line], stream);
        at += line + 1;
    }
}

void gs_cli_print_error(const char *format, va_list arguments)
{
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    if (length >= 0)
        print_escaped(stderr, text, (size_t)length);
    else
        fputs("there is not enough memory for the message", stderr);
    fputc('\n', stderr);
    free(text);
}

int gs_cli_complain(enum gs_exit status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("gumshoe: ", stderr);
    gs_cli_print_error(format, arguments);
    va_end(arguments);
    return status;
}

void gs_cli_print_escaped(const char *text, size_t length)
{
    print_escaped(stdout, text, length);
}

void gs_cli_print_line(const char *text)
{
    gs_cli_print_escaped(text, strlen(text));
    putchar('\n');
}

int gs_cli_print_json(const json_t *json)
{
    if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0)
        return gs_cli_complain(GS_EXIT_IO, "%s", json ? "the result could not be written" : "out of memory");
    return putchar('\n') == EOF || fflush(stdout) == EOF ? GS_EXIT_IO : GS_EXIT_OK;
}

const char *gs_cli_json_text(const json_t *json, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text && *text ? text : fallback;
}

bool gs_cli_may_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fd) && !(no_color && *no_color) && !(terminal && strcmp(terminal, "dumb") == 0);
}
