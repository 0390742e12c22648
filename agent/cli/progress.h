/* progress.h - shows how far a long command is, on standard error (progress.c): on a terminal one line that is drawn again, in a log
 * one line a minute. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_cli_progress {
    bool terminal;
    int64_t told_ns;    // when something was last shown, or when the command began
    size_t width;       // columns of the line on the terminal; 0: none is there
};
void gs_cli_progress_begin(struct gs_cli_progress *progress);
/* Show FORMAT, which needs no more than one line of ASCII, if it is time. */
void gs_cli_progress_tell(struct gs_cli_progress *progress, const char *format, ...) GS_PRINTF(2, 3);
/* Remove the line from the terminal: before other output, and at the end. */
void gs_cli_progress_clear(struct gs_cli_progress *progress);
