/* anonymous_words.c - the words that gumshoe itself writes into an incident, beside its keys. They are no names of the program's, so
 * an anonymous copy keeps them. */
#include "gather/gather.h"
#include "reader/anonymous.h"
#include <string.h>

// clang-format off
static const char *const words[] = {
    /* conditions and kinds of incident.json */
    "above", "below", "jitter", "growth", "unusual", "reaches", "every", "call", "died", "started",
    "in_use", "threads", "cpu", "deadlock", "lock", "crash", "heap", "peak", "threadcreate", "fds", "high", "low",
    "mutex", "rwlock", "condition", "semaphore", "barrier", "once", "static", "libc", "join", "futex",
    /* steps */
    "account", "waste", "memory", "context", "summary", "descriptors",
    /* settings of rules.json */
    "auto", "on", "off", "all", "forks", "always",
    /* states of threads */
    "running", "sleeping", "uninterruptible", "stopped", "traced", "idle", "zombie", "dead", "unknown",
    /* sample types and units of profiles */
    "alloc_objects", "alloc_space", "inuse_objects", "inuse_space", "inuse_old", "alive_objects", "alive_space", "freed_objects", "freed_space", "lifetimes", "waste_space", "trim_space", "oldest", "samples", "live_threads", "space", "wall",
    "count", "bytes", "nanoseconds", "microseconds", "milliseconds", "seconds", "objects",
    /* kinds of descriptors, and what was not seen */
    "socket", "pipe", "file", "eventfd", "eventpoll", "inotify", "timerfd", "signalfd", "kind", "[not seen]",
    /* mappings of the kernel's */
    "[heap]", "[stack]", "[vdso]", "[vvar]", "[vsyscall]",
    /* parts of memory.json, and areas that no name of the program is in */
    "heap_kept", "files", "shared", "anonymous", "[anonymous mapping]", "[small private areas]",
};
// clang-format on

enum { CALLS_MAX = 1024 };

bool gs_reader_is_our_word(const char *text)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], text) == 0)
            return true;
    for (int i = 0; i < CALLS_MAX; i++) {
        const char *call = gs_gather_syscall_name(i);
        if (call && strcmp(call, text) == 0)
            return true;
    }
    return false;
}
