/* spawn.h - run a program without the host noticing: no SIGCHLD, no child for its wait(2), no copy of its memory, no atfork
 * handlers. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct gs_spawn {
    const char *program;       // a path
    char *const *argv, *const *envp;
    int64_t limit_ns;          // after this time SIGTERM, 1 s later SIGKILL
};
struct gs_spawn_end {
    int error;                 // errno: it could not be run, or its end is unknown; 0: `status` is valid
    int status;                // as of waitpid(2)
    bool too_long;             // it was ended because of the limit
    int64_t took_ns;
};
/* Run COMMAND and wait for its end, at most its limit plus 2 s. Blocks only this thread.
 * Context: an agent thread that does nothing else, with every signal blocked. */
void gs_spawn_run(const struct gs_spawn *command, struct gs_spawn_end *out);
