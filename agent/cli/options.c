/* options.c - reads the options of every command by the command's table (options.h). */
#include "cli/options.h"
#include "base/errors.h"
#include "base/units.h"
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 24, HELP_COLUMN = 14 };
enum {
    FIRST_ROW = 256
}; // getopt_long returns FIRST_ROW + the row's index for a long option, the letter for a short one

/* ---- usage and help ---------------------------------------------------------------------------------------------------- */

int gs_cli_usage(const struct gs_command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "gumshoe %s: ", command->name);
    gs_cli_print_error(format, arguments);
    fprintf(stderr, "usage: gumshoe %s %s\n", command->name, command->arguments);
    va_end(arguments);
    return GS_EXIT_USAGE;
}

/* Print the option as a user writes it, "--limit" or "-n", into OUT; "" for an operand. Returns OUT. */
static const char *print_option(const struct gs_option *row, char out[32])
{
    out[0] = 0;
    if (row->name)
        snprintf(out, 32, "--%s", row->name);
    else if (row->letter)
        snprintf(out, 32, "-%c", row->letter);
    return out;
}

static void print_row(const struct gs_option *row)
{
    char option[32], left[64];
    bool space = row->argument && (row->name || row->letter);
    snprintf(left, sizeof left, "%s%s%s", print_option(row, option), space ? " " : "",
             row->argument ? row->argument : "");
    printf("  %-*s", HELP_COLUMN, left);
    printf(strlen(left) > HELP_COLUMN ? "\n%*s" : "%*s", strlen(left) > HELP_COLUMN ? 2 + HELP_COLUMN + 1 : 1,
           "");
    for (const char *at = row->help; *at; at++) {
        putchar(*at);
        if (*at == '\n')
            printf("%*s", 2 + HELP_COLUMN + 1, "");
    }
    putchar('\n');
}

bool gs_cli_is_option_row(const struct gs_option *row)
{
    return row->name || row->letter || row->argument;
}

static void print_help(const struct gs_command *command, const struct gs_option *options)
{
    printf("usage: gumshoe %s %s\n%s\n\n", command->name, command->arguments, command->help);
    for (const struct gs_option *row = options; gs_cli_is_option_row(row); row++)
        print_row(row);
}

/* ---- arguments --------------------------------------------------------------------------------------------------------- */

bool gs_cli_read_number(const char *text, long long min, long long max, long long *number)
{
    char *end;
    long long read = strtoll(text, &end, 10); // a number out of range becomes LLONG_MIN or LLONG_MAX
    if (*end || end == text || read < min || read > max)
        return false;
    *number = read;
    return true;
}

static int store_number(const struct gs_arguments *arguments, const struct gs_option *row, const char *text)
{
    char option[32];
    if (gs_cli_read_number(text, row->min, row->max, row->number))
        return GS_EXIT_OK;
    print_option(row, option);
    if (row->max == LLONG_MAX)
        return gs_cli_usage(arguments->command, "%s takes a number of %lld or more, not \"%s\"", option,
                            row->min, text);
    return gs_cli_usage(arguments->command, "%s takes a number from %lld to %lld, not \"%s\"", option,
                        row->min, row->max, text);
}

static int store_seconds(const struct gs_arguments *arguments, const struct gs_option *row, const char *text)
{
    char *end, option[32];
    double seconds = strtod(text, &end);
    if (*end || end == text || !(seconds > 0 && seconds <= (double)row->max)) // NaN fails both comparisons
        return gs_cli_usage(arguments->command, "%s takes seconds, above 0 and up to %lld",
                            print_option(row, option), row->max);
    *row->seconds = seconds;
    return GS_EXIT_OK;
}

static int store_size(const struct gs_arguments *arguments, const struct gs_option *row, const char *text)
{
    struct gs_unit_error error;
    char option[32];
    if (gs_units_read_size(text, row->size, &error) || *row->size == 0)
        return gs_cli_usage(arguments->command, "%s takes a size such as 512MiB, not \"%s\"",
                            print_option(row, option), text);
    return GS_EXIT_OK;
}

static int store_file(const struct gs_option *row, const char *text)
{
    return realpath(text, row->file) ? GS_EXIT_OK
                                     : gs_cli_complain(GS_EXIT_IO, "%s: %s", text, strerrordesc_np(errno));
}

static int store_item(const struct gs_arguments *arguments, const struct gs_option *row, const char *text)
{
    struct gs_option_list *list = row->list;
    if (list->count == list->max)
        return gs_cli_usage(arguments->command, "at most %zu %s", list->max, list->what);
    list->item[list->count++] = text;
    return GS_EXIT_OK;
}

/* Store the argument TEXT of the option that ROW describes; TEXT is NULL if the option has none. Returns an exit status. */
static int store_argument(const struct gs_arguments *arguments, const struct gs_option *row, const char *text)
{
    int status = row->check ? row->check(arguments, row, text) : GS_EXIT_OK;
    if (status != GS_EXIT_OK)
        return status;
    if (row->set)
        *row->set = true;
    else if (row->clear)
        *row->clear = false;
    else if (row->text)
        *row->text = text;
    else if (row->file)
        status = store_file(row, text);
    else if (row->number)
        status = store_number(arguments, row, text);
    else if (row->seconds)
        status = store_seconds(arguments, row, text);
    else if (row->size)
        status = store_size(arguments, row, text);
    else
        status = store_item(arguments, row, text);
    return status;
}

/* ---- getopt_long ------------------------------------------------------------------------------------------------------- */

struct getopt_table {
    struct option known[OPTIONS_MAX + 2]; // the rows that have a name, --help, and the end
    char letters[2 * OPTIONS_MAX + 4];
    size_t names;
};

static void build_getopt_table(const struct gs_option *options, bool options_first, struct getopt_table *out)
{
    size_t names = 0, letters = 0;
    if (options_first)
        out->letters[letters++] = '+'; // tells getopt to stop at the first operand
    out->letters[letters++] = ':';     // and to tell a missing argument from an unknown option
    out->letters[letters++] = 'h';
    for (size_t i = 0; gs_cli_is_option_row(&options[i]); i++) {
        const struct gs_option *row = &options[i];
        assert(i < OPTIONS_MAX);
        if (row->name)
            out->known[names++] = (struct option){row->name, row->argument ? required_argument : no_argument,
                                                  NULL, FIRST_ROW + (int)i};
        if (row->letter)
            out->letters[letters++] = row->letter;
        if (row->letter && row->argument)
            out->letters[letters++] = ':';
    }
    out->known[names++] = (struct option){"help", no_argument, NULL, 'h'};
    out->known[names] = (struct option){0};
    out->letters[letters] = 0;
    out->names = names;
}

/* WORD is none of the long options of TABLE, or the beginning of several. */
static int refuse_word(const struct gs_arguments *arguments, const struct getopt_table *table,
                       const char *word)
{
    char name[64];
    size_t beginning = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (size_t i = 0; i < table->names; i++)
        beginning += strncmp(table->known[i].name, name, strlen(name)) == 0;
    const char *nearest =
        gs_errors_nearest(name, &table->known[0].name, table->names, sizeof table->known[0]);
    if (beginning > 1)
        return gs_cli_usage(arguments->command, "option \"--%s\" is ambiguous", name);
    if (nearest)
        return gs_cli_usage(arguments->command, "there is no option \"--%s\"; did you mean \"--%s\"?", name,
                            nearest);
    return gs_cli_usage(arguments->command, "there is no option \"--%s\"", name);
}

/* Say what is wrong with the option that getopt_long did not take. Its own messages would print control characters as they
 * are. */
static int refuse_option(const struct gs_arguments *arguments, const struct getopt_table *table,
                         bool lacks_argument)
{
    const char *word = arguments->value[optind - 1];
    char letter[] = {'-', (char)optopt, 0};
    bool is_long = optopt == 0 || optopt >= FIRST_ROW || strncmp(word, "--help=", 7) == 0;
    if (lacks_argument)
        return gs_cli_usage(arguments->command, "option \"%s\" needs an argument", is_long ? word : letter);
    if (is_long && optopt != 0)
        return gs_cli_usage(arguments->command, "option \"%.*s\" takes no argument", (int)strcspn(word, "="),
                            word);
    if (is_long)
        return refuse_word(arguments, table, word);
    return gs_cli_usage(arguments->command, "there is no option \"%s\"", letter);
}

/* The row for FOUND, a result of getopt_long; NULL: it is none. */
static const struct gs_option *row_of(const struct gs_option *options, int found)
{
    if (found >= FIRST_ROW)
        return &options[found - FIRST_ROW];
    for (const struct gs_option *row = options; gs_cli_is_option_row(row); row++)
        if (row->letter == found)
            return row;
    return NULL;
}

bool gs_cli_read_options(struct gs_arguments *arguments, const struct gs_option *options, int *status)
{
    struct getopt_table table;
    if (arguments->visit) {
        arguments->visit(arguments, options);
        *status = GS_EXIT_OK;
        return false;
    }
    build_getopt_table(options, arguments->options_first, &table);
    opterr = 0;
    *status = GS_EXIT_OK;
    for (int found;
         (found = getopt_long(arguments->count, arguments->value, table.letters, table.known, NULL)) != -1;) {
        const struct gs_option *row = row_of(options, found);
        if (found == 'h') {
            print_help(arguments->command, options);
            return false;
        }
        *status =
            row ? store_argument(arguments, row, optarg) : refuse_option(arguments, &table, found == ':');
        if (*status != GS_EXIT_OK)
            return false;
    }
    arguments->operand = arguments->value + optind;
    arguments->operand_count = (size_t)(arguments->count - optind);
    return true;
}
