/* gumshoe.h - a long-running process that watches itself and keeps the evidence.
 *
 *   #include <gumshoe/gumshoe.h>
 *   ...
 *   gumshoe_start(NULL);                     // the built-in rules, incidents in ./incidents
 *
 * A thread of the library reads the process's metrics once a tick, holds them against rules, and when a
 * rule fires writes heap and thread profiles, a summary and the history into a folder of their own.
 * Link with -lgumshoe (pkg-config gumshoe, or CMake's gumshoe::gumshoe), or preload libgumshoe.so under
 * a program that cannot be rebuilt.
 *
 * Threads: every function may be called from any thread; none from a signal handler except gumshoe_gauge.
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

/* Kinds of evidence; they may be or'ed where a function takes "kinds". */
enum gumshoe_kind {
    GUMSHOE_HEAP         = 1 << 0, /* sampled allocations: alloc_objects, alloc_space, inuse_objects, inuse_space */
    GUMSHOE_CPU          = 1 << 1, /* where CPU time goes, for the seconds that the rules say ("cpu": "duration") */
    GUMSHOE_THREADS      = 1 << 2, /* the stack, name and state of every thread */
    GUMSHOE_THREADCREATE = 1 << 3, /* the stacks that called pthread_create: how often, and how many still live */
};

/* Why a call failed, for people. Zeroed when it did not. */
struct gumshoe_error {
    int  code;         /* a negative errno value */
    int  line, column; /* of the first error in a rules file, 1-based; 0 when no place is meant */
    char file[256];    /* the rules file, "" when none is meant */
    char message[512]; /* one sentence */
};

/* What gumshoe_start may be told. Zero what you do not set; set size to sizeof(struct gumshoe_options), so
 * that a later library understands a program built with an earlier header. Strings are copied. */
struct gumshoe_options {
    size_t                size;
    const char           *rules_file; /* path of a rules file; NULL: rules_json, else the built-in rules */
    const char           *rules_json; /* the rules themselves, as text; ignored when rules_file is set */
    const char           *dir;        /* the incident directory; NULL: what the rules say */
    const char           *log;        /* "stderr", a file's path, or "off"; NULL: "stderr" */
    struct gumshoe_error *error;      /* filled when gumshoe_start fails; may be NULL */
};

/* Start the watcher. OPTIONS may be NULL.
 * Returns 0; -EALREADY when it runs already; -EINVAL for rules that cannot be taken (options->error has
 * file, line, column and message; the log has all of them); -ECANCELED under GUMSHOE_DISABLE=1; -ENOTSUP under
 * a sanitizer (AddressSanitizer and its kin); another negative errno value when the machine refuses. After an error the process
 * runs on, unwatched. */
GUMSHOE_API int gumshoe_start(const struct gumshoe_options *options);

/* Stop the watcher and wait for it, at most one second while a capture is under way; and for the calls of gumshoe_on_incident's
 * function for incidents that are complete, at most five seconds. Harmless when it does not run. What was counted stays: gumshoe_start goes on with it. */
GUMSHOE_API void gumshoe_stop(void);

/* Ask for an incident now. REASON (1 to 40 of a-z 0-9 . _ -) takes a rule's place in the folder's name;
 * KINDS is an or of enum gumshoe_kind. Waits until the incident is complete on disk, so it takes as long
 * as a capture takes: usually well under a second, with GUMSHOE_CPU as long as the rules' cpu duration (10 s).
 * Returns 0; -EINVAL for a bad reason or kind; -ESRCH when no watcher runs; another negative errno value
 * when the incident could not be written (the log says why). */
GUMSHOE_API int gumshoe_capture(const char *reason, unsigned kinds);

/* Tell the watcher a number of the host's own (queue length, cache entries): a metric "gauge:NAME" for
 * rules. One atomic store after the first call with a NAME, at any rate, also from signal handlers.
 * NAME: 1 to 40 of a-z 0-9 . _ -; at most 64 names; others are ignored and counted in the log.
 * The string is compared by content and copied. */
GUMSHOE_API void gumshoe_gauge(const char *name, double value);

/* Write one gzip'd pprof profile of KIND, as of now, into the descriptor FD (a file, a socket). One of GUMSHOE_CPU is of
 * the next seconds: as many as the rules' cpu duration, 10 without a watcher.
 * Works with or without a watcher. Returns 0, -EINVAL for an unknown kind, -EBUSY when CPU time cannot be
 * sampled (the program has handlers of its own for SIGURG and SIGWINCH), or the error of write(2). */
GUMSHOE_API int gumshoe_write_profile(enum gumshoe_kind kind, int fd);

/* Have CALLBACK(dir, user) called after each incident is complete on disk; DIR is the incident folder's path, valid during
 * the call. One callback at a time: it runs on a thread of its own that shares all of the program's, with every signal
 * blocked, and may do what any thread may. Up to 8 incidents wait for it to return; of more the log says that it was
 * not called. NULL takes it away, and returns when no call is under way, but for one that it is made from. A forked
 * child has none, until it sets one. */
GUMSHOE_API void gumshoe_on_incident(void (*callback)(const char *dir, void *user), void *user);

/* For hosts with allocators or pools of their own: PTR now holds SIZE bytes / is given back. The block is
 * sampled like one of malloc's. Do not call it for blocks that malloc returned: they are counted already. A chunk that a
 * pool has from malloc is one of those: it and the blocks noted inside it are counted each by itself, also at one address. */
GUMSHOE_API void gumshoe_note_alloc(void *ptr, size_t size);
GUMSHOE_API void gumshoe_note_free(void *ptr);

/* Label what the calling thread does from now on, as pprof's labels: its samples in heap profiles carry KEY with VALUE,
 * so that `go tool pprof -tagfocus` tells tenants or kinds of request apart. KEY and VALUE: 1 to 127 bytes, copied; at
 * most 8 keys on one thread. They are kept for good: meant for a few hundred distinct ones, not for request ids.
 * A label is the thread's own until it is set anew, cleared, or the thread ends; new threads begin without.
 * Returns 0; -EINVAL for a text that is empty or too long; -ENOSPC for a ninth key, or when the tables are full: the
 * labels stay as they were, and profiles say how many were refused. */
GUMSHOE_API int gumshoe_label_set(const char *key, const char *value);
/* Take the calling thread's label KEY away; harmless when there is none. */
GUMSHOE_API void gumshoe_label_clear(const char *key);

/* The version of the library that runs, e.g. "0.1.0": may differ from GUMSHOE_VERSION of the header. */
GUMSHOE_API const char *gumshoe_version(void);

#ifdef __cplusplus
}
#endif
#endif
