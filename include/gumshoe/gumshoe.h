/* gumshoe.h - makes a long-running process watch itself and keep the evidence.
 *
 *   #include <gumshoe/gumshoe.h>
 *   ...
 *   gumshoe_start(NULL);                     // the built-in rules, incidents in ./incidents
 *
 * A thread of the library reads the process's metrics at each tick and judges them by rules. When a rule
 * fires, it writes heap and thread profiles, a summary and the history into a folder: an incident.
 * Link with -lgumshoe (pkg-config gumshoe, or CMake's gumshoe::gumshoe), or preload libgumshoe.so under
 * a program that cannot be rebuilt.
 *
 * Threads: every function may be called from any thread; only gumshoe_gauge may be called from a signal handler.
 * Errors:  functions that can fail return 0 or a negative errno value; none ever ends the process.
 * The environment overrides the options: GUMSHOE_RULES (a rules file), GUMSHOE_DIR (the incident
 * directory), GUMSHOE_LOG ("stderr", a file's path, or "off"), GUMSHOE_DISABLE=1. A program that gained
 * privileges at exec (setuid) ignores it.
 */
#ifndef GUMSHOE_GUMSHOE_H
#define GUMSHOE_GUMSHOE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GUMSHOE_VERSION "0.1.0"

#if defined(__GNUC__)
#define GUMSHOE_API __attribute__((visibility("default")))
#else
#define GUMSHOE_API
#endif

/* Kinds of evidence; they may be combined with | where a function takes "kinds". */
enum gumshoe_kind {
    GUMSHOE_HEAP         = 1 << 0, /* sampled allocations: alloc_objects, alloc_space, inuse_objects, inuse_old, inuse_space */
    GUMSHOE_CPU          = 1 << 1, /* where CPU time goes, for as long as the rules say ("cpu": "duration") */
    GUMSHOE_THREADS      = 1 << 2, /* the stack, name and state of every thread */
    GUMSHOE_THREADCREATE = 1 << 3, /* the stacks that called pthread_create: how often, and how many threads still live */
    GUMSHOE_PEAK         = 1 << 4, /* as GUMSHOE_HEAP, but as of the moment when the heap in use was highest within the rules'
                                      "heap": "peak" (1 h by default). An incident of GUMSHOE_HEAP has it, too, when the peak was
                                      more than 10 % above what is in use now */
    GUMSHOE_PAGES        = 1 << 5, /* the heap in use by the state of its pages: in memory, swapped out, never touched. Reads
                                      /proc/self/pagemap for at most 1 s: about 7 ms a GiB */
    GUMSHOE_FDS          = 1 << 6, /* open descriptors, by the stacks that opened them */
    GUMSHOE_WASTE        = 1 << 7, /* waste_space: resident memory of the heap that is free, by the stacks of the live blocks that lie
                                      around it; trim_space: of that what malloc_trim would return. Comes with GUMSHOE_HEAP in
                                      incidents */
    GUMSHOE_LIFETIMES    = 1 << 8, /* how long sampled blocks live: freed_objects, freed_space, with the label "lifetime", and
                                      alive_objects, alive_space, with the label "age". An incident of GUMSHOE_HEAP has it, too */
};

/* Why a call failed, for people. All zero after success. */
struct gumshoe_error {
    int  code;         /* a negative errno value */
    int  line, column; /* of the first error in a rules file, 1-based; 0 if the error has no place in a file */
    char file[256];    /* the rules file; "" if the error is not about one */
    char message[512]; /* one sentence */
};

/* Options of gumshoe_start. Zero what you do not set. Set size to sizeof(struct gumshoe_options), so that
 * a later library understands a program built with an earlier header. Strings are copied. */
struct gumshoe_options {
    size_t                size;
    const char           *rules_file; /* path of a rules file; NULL: rules_json, else the built-in rules */
    const char           *rules_json; /* the rules themselves, as text; ignored when rules_file is set */
    const char           *dir;        /* the incident directory; NULL: what the rules say */
    const char           *log;        /* "stderr", a file's path, or "off"; NULL: "stderr" */
    struct gumshoe_error *error;      /* filled when gumshoe_start fails; may be NULL */
};

/* Start the watcher. OPTIONS may be NULL.
 * Returns 0; -EALREADY if it runs already; -EINVAL for rules with errors (options->error has file, line, column
 * and message of the first, the log has all); -ECANCELED under GUMSHOE_DISABLE=1; -ENOTSUP under a sanitizer
 * (AddressSanitizer, ThreadSanitizer, …); another negative errno value if a system call failed. After an error
 * the process continues, unwatched. */
GUMSHOE_API int gumshoe_start(const struct gumshoe_options *options);

/* Stop the watcher and wait until it has ended: for a running capture at most one second, for the callbacks of
 * gumshoe_on_incident for complete incidents at most five seconds. Does nothing if the watcher does not run.
 * The heap samples are kept: a later gumshoe_start continues with them. */
GUMSHOE_API void gumshoe_stop(void);

/* Capture an incident now. REASON (1 to 40 of a-z 0-9 . _ -) stands for the rule in the folder's name;
 * KINDS combines values of enum gumshoe_kind with |. Returns when the incident is complete on disk: usually
 * after well under a second, with GUMSHOE_CPU after the rules' cpu duration (10 s by default).
 * Returns 0; -EINVAL for a bad reason or kind; -ESRCH if no watcher runs; another negative errno value
 * if the incident could not be written (the log says why). */
GUMSHOE_API int gumshoe_capture(const char *reason, unsigned kinds);

/* Set a number of the program's own (queue length, cache entries): rules see it as the metric "gauge:NAME".
 * After the first call with a NAME the cost is one atomic store. May be called from signal handlers, at any rate.
 * NAME: 1 to 40 of a-z 0-9 . _ -; at most 64 names. Other names are ignored; the log counts and names them.
 * The string is compared by content and copied. */
GUMSHOE_API void gumshoe_gauge(const char *name, double value);

/* Write one gzip'd pprof profile of KIND, as of now, into the descriptor FD (a file, a socket). GUMSHOE_CPU samples
 * first: for the rules' cpu duration, or 10 s without a watcher.
 * Works with or without a watcher, which GUMSHOE_PEAK needs: it keeps the peak. Returns 0; -EINVAL for an unknown kind; -EBUSY if
 * CPU time cannot be sampled (the program has its own handlers for both SIGURG and SIGWINCH); -ENODATA if no peak is kept, or
 * the pages of no block can be read, or the program's allocator is not seen; or the error of write(2). */
GUMSHOE_API int gumshoe_write_profile(enum gumshoe_kind kind, int fd);

/* The same over the next SECONDS, above 0 and at most GUMSHOE_PROFILE_SECONDS_MAX, as Go serves /debug/pprof/...?seconds=N.
 * GUMSHOE_CPU: the CPU time spent meanwhile. GUMSHOE_HEAP: what changes meanwhile: alloc_* is what is allocated, inuse_* the
 * growth, negative where a stack's blocks are freed. GUMSHOE_THREADCREATE: likewise, the threads created meanwhile. GUMSHOE_FDS:
 * the descriptors that were opened and are still open, less those that were closed. GUMSHOE_LIFETIMES: freed_* of the blocks
 * freed meanwhile; alive_* as of the end.
 * The other kinds: as of now, and at once. Seven calls, of any kind, are served at a time. The calling thread waits; the rest of
 * the program does not, and the watcher goes on.
 * Returns as gumshoe_write_profile does; -EINVAL also for SECONDS out of range. */
#define GUMSHOE_PROFILE_SECONDS_MAX 3600
GUMSHOE_API int gumshoe_write_profile_for(enum gumshoe_kind kind, int fd, double seconds);

/* Call CALLBACK(dir, user) each time an incident is complete on disk. DIR is the incident folder's path, valid during the
 * call. One call runs at a time, on a thread made for it with pthread_create, with every signal blocked; the callback may do
 * what any thread of the program may. Up to 8 incidents wait while it runs; for more it is not called, and the log says so.
 * NULL removes the callback, and returns once no call is running (except a call that it is made from).
 * A forked child has no callback until it sets one. */
GUMSHOE_API void gumshoe_on_incident(void (*callback)(const char *dir, void *user), void *user);

/* For programs with allocators or pools of their own: PTR now holds SIZE bytes / was freed. The block is sampled like one
 * of malloc's. Do not call this for blocks that malloc returned: they are counted already. If a pool gets a chunk from
 * malloc, the chunk is counted, and the blocks noted inside it are counted as well, even one at the same address. */
GUMSHOE_API void gumshoe_note_alloc(void *ptr, size_t size);
GUMSHOE_API void gumshoe_note_free(void *ptr);

/* Label the calling thread's samples from now on, as pprof labels: they carry KEY with VALUE, so that
 * `go tool pprof -tagfocus` can separate tenants or kinds of request. KEY and VALUE: 1 to 127 bytes, copied; at most
 * 8 keys per thread. The library never frees these texts: use a few hundred distinct ones, not request ids.
 * A label stays until the thread sets the key again, clears it, or ends; new threads have none.
 * Returns 0; -EINVAL for a text that is empty or too long; -ENOSPC for a ninth key, or if the tables are full: the
 * labels are unchanged, and profiles say how many were refused. */
GUMSHOE_API int gumshoe_label_set(const char *key, const char *value);
/* Remove the calling thread's label KEY; does nothing if there is none. */
GUMSHOE_API void gumshoe_label_clear(const char *key);

/* The version of the running library, e.g. "0.1.0"; it may differ from the header's GUMSHOE_VERSION. */
GUMSHOE_API const char *gumshoe_version(void);

#ifdef __cplusplus
}
#endif
#endif
