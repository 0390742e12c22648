/* spawn.h - run a program beside the host, which notices nothing of it: no SIGCHLD, nothing for its wait(2), none of its
 * memory copied, none of its atfork handlers called. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct gs_spawn {
    const char *program;       // a path
    char *const *argv, *const *envp;
    int64_t limit_ns;          // beyond this it is told to end (SIGTERM), then made to
};
struct gs_spawn_end {
    int error;                 // it could not be run, or its end was not seen: errno; else 0, and
    int status;                // as of waitpid(2)
    bool too_long;             // it was made to end
    int64_t took_ns;
};
/* Run COMMAND to its end, which is at most its limit and two seconds away. Blocks this thread alone.
 * Context: a thread of ours that does nothing else, with every signal blocked. */
void gs_spawn_run(const struct gs_spawn *command, struct gs_spawn_end *out);
