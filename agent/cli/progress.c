/* progress.c - progress on standard error (progress.h). */
#include "cli/progress.h"
#include "base/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DRAWN_EACH_MS = 200, LOGGED_EACH_S = 60, COLUMNS_MAX = 78 };

void gs_cli_progress_begin(struct gs_cli_progress *progress)
{
    const char *terminal = getenv("TERM");
    *progress = (struct gs_cli_progress){.terminal = isatty(STDERR_FILENO) &&
                                                     !(terminal && strcmp(terminal, "dumb") == 0),
                                         .told_ns = gs_clock_monotonic_ns()};
}

void gs_cli_progress_clear(struct gs_cli_progress *progress)
{
    if (progress->width)
        fprintf(stderr, "\r%*s\r", (int)progress->width, "");
    progress->width = 0;
}

void gs_cli_progress_tell(struct gs_cli_progress *progress, const char *format, ...)
{
    char text[COLUMNS_MAX + 1];
    int64_t now_ns = gs_clock_monotonic_ns();
    int64_t step_ns = progress->terminal ? DRAWN_EACH_MS * GS_NS_PER_MS : LOGGED_EACH_S * GS_NS_PER_S;
    if (now_ns - progress->told_ns < step_ns)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    progress->told_ns = now_ns;
    size_t length = strlen(text);
    if (!progress->terminal)
        fprintf(stderr, "gumshoe: %s\n", text);
    else
        fprintf(stderr, "\r%s%*s", text, progress->width > length ? (int)(progress->width - length) : 0, "");
    progress->width = progress->terminal ? length : 0;
}
