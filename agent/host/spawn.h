/* spawn.h - run a program without the host noticing: no SIGCHLD, no child for its wait(2), no copy of its memory, no atfork
 * handlers. */
#pragma once
#include <stdbool.h>
#include <stdatomic.h>
#include <stdint.h>

struct gs_spawn {
    const char *program;       // a path
    char *const *argv, *const *envp;
    int64_t limit_ns;          // after this time SIGTERM, 1 s later SIGKILL
    bool background;           // lowest priority, first to go when memory runs out, in no folder of the host, ends with it
    int folder_fd;             // with `background`: of the folder that it starts in; 0: in /
    uint64_t data_bytes;       // with `background`: how much memory it may use (RLIMIT_DATA)
};
struct gs_spawn_end {
    int error;                 // errno: it could not be run, or its end is unknown; 0: `status` is valid
    int status;                // as of waitpid(2)
    bool too_long;             // it was ended because of the limit
    int64_t took_ns;
    _Atomic int pid;           // of the program while it runs; else 0. To be ended: kill(-pid, SIGKILL)
};
/* Run COMMAND and wait for its end, at most its limit plus 2 s. Blocks only this thread.
 * Context: an agent thread that does nothing else, with every signal blocked. */
void gs_spawn_run(const struct gs_spawn *command, struct gs_spawn_end *out);
