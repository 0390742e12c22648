/* terminal.c - the terminal's width, wrapping, styles, and quoting for the shell (terminal.h). */
#include "cli/terminal.h"
#include "cli/cli.h"
#include "cli/options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_DEFAULT = 80, COLUMNS_MIN = 20, COLUMNS_MAX = 1000 };

size_t gs_cli_columns(void)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    long long columns = 0;
    if (!isatty(STDOUT_FILENO))
        return 0;
    if (!text || !gs_cli_read_number(text, 1, COLUMNS_MAX, &columns))
        columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
    if (columns == 0) // a terminal that does not know, such as a serial line
        columns = COLUMNS_DEFAULT;
    return columns < COLUMNS_MIN ? COLUMNS_MIN : (size_t)columns;
}

/* May a line end at AT, a space in TEXT? A stack's lines do between its frames only. */
static bool may_break(const char *text, const char *at, bool is_stack)
{
    static const char arrow[] = "← ";
    return *at == ' ' && at > text && at[-1] != ' ' && text + strspn(text, " ") < at &&
           (!is_stack || strncmp(at + 1, arrow, sizeof arrow - 1) == 0);
}

/* The length of the part of TEXT that stands in a line of COLUMNS: up to the last place to break that lies in them, or, if none
 * does, the first one behind. */
static size_t line_length(const char *text, size_t columns)
{
    bool is_stack = strstr(text, "← ") != NULL;
    size_t column = 0, space = 0, length = strlen(text);
    for (size_t at = 0, bytes; at < length; at += bytes) {
        uint32_t code;
        char one[5] = "";
        bytes = gs_text_character(text + at, &code);
        bytes = bytes ? bytes : 1;
        memcpy(one, text + at, bytes);
        if (may_break(text, text + at, is_stack)) {
            if (column > columns)
                return space ? space : at;
            space = at;
        }
        column += gs_text_columns(one);
    }
    return column <= columns || !space ? length : space;
}

void gs_cli_print_wrapped(const char *text, size_t indent, enum gs_style style)
{
    const char *begin = style ? gs_cli_style(style) : "", *end = style ? gs_cli_style(GS_STYLE_PLAIN) : "";
    size_t columns = gs_cli_columns(), length = columns ? line_length(text, columns) : strlen(text);
    if (columns && indent > columns / 2)
        indent = columns / 2;
    printf("%s%.*s%s\n", begin, (int)length, text, end);
    for (text += length; *text; text += length) {
        text += strspn(text, " ");
        length = line_length(text, columns - indent);
        if (length)
            printf("%*s%s%.*s%s\n", (int)indent, "", begin, (int)length, text, end);
    }
}

const char *gs_cli_style(enum gs_style style)
{
    static const char *const sequence[] = {
        [GS_STYLE_PLAIN] = "\033[0m",
        [GS_STYLE_STRONG] = "\033[1m",
        [GS_STYLE_FAINT] = "\033[2m",
        [GS_STYLE_WARNING] = "\033[33m",
    };
    return gs_cli_may_colour(STDOUT_FILENO) ? sequence[style] : "";
}

/* Add TEXT as bash's $'…', which can hold any byte. */
static void add_ansi_quoted(struct gs_text *out, const char *text)
{
    gs_text_add(out, "$'");
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            gs_text_add(out, "\\x%02x", (unsigned char)*text);
        else
            gs_text_add(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    gs_text_add(out, "'");
}

void gs_cli_add_quoted(struct gs_text *out, const char *word)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-"; // '=' and '~' mean something to zsh
    if (*word && word[strspn(word, safe)] == 0) {
        gs_text_add(out, "%s", word);
        return;
    }
    if (!gs_text_is_printable(word)) {
        add_ansi_quoted(out, word);
        return;
    }
    gs_text_add(out, "'");
    for (; *word; word++)
        gs_text_add(out, *word == '\'' ? "'\\''" : "%c", *word);
    gs_text_add(out, "'");
}
