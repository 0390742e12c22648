/* terminal.h - output that people read: it fits the width of the terminal. On anything else than a terminal nothing is shortened or
 * wrapped, so that a pipe gets all of it. */
#pragma once
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>

/* The columns of standard output: $COLUMNS, else what the terminal says, else 80. 0: it is no terminal, nothing is to be cut. */
size_t gs_cli_columns(void);
enum gs_style { GS_STYLE_PLAIN, GS_STYLE_STRONG, GS_STYLE_FAINT, GS_STYLE_WARNING };
/* The escape sequence that begins or (GS_STYLE_PLAIN) ends a style on standard output; "" if it may not be coloured. */
const char *gs_cli_style(enum gs_style style);

/* Print TEXT (its control characters are escaped already) in STYLE, and a newline. A line that is too long for the terminal goes on
 * below, INDENT columns to the right. */
void gs_cli_print_wrapped(const char *text, size_t indent, enum gs_style style);

/* Add WORD as a POSIX shell reads it back: as it is, or in quotes. Control characters become $'\xNN' of bash, zsh and ksh. */
void gs_cli_add_quoted(struct gs_text *out, const char *word);
