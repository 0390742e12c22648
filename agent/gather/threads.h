/* gather/threads.h - what threads.c and threads_text.c share: one dump of all threads. */
#pragma once
#include "gather/inside.h"
#include "profile/profile.h"

struct gs_thread_seen {
    pid_t tid;
    char name[32], state, channel[48];
    enum gs_thread_how how;
    bool cut;
    const char *unreachable_why;     // why it cannot be signaled; NULL: it can
    int call;             // -1: none
    struct gs_futex futex;    // that it waits on
    bool has_timeout;         // of the futex call
    struct gs_lock_memory lock[2]; // at the futex: when the thread was read; after all threads were read
    struct gs_wait waits; // holder 0: waits for no thread that we can name
    enum gs_wait_kind kind;   // of the wait
    struct gs_lock_state held;      // by gs_gather_lock_read, if both of `lock` say the same; else its holder is 0
    uint64_t stack;       // hash of its frames and state: equal for equal stacks
    size_t sample;        // index in the profile
};

enum { GS_KNOWN_STACKS = 64 };
struct gs_thread_dump {
    struct gs_thread_seen *thread;
    size_t count, capacity;
    struct gs_profile *profile;
    const struct gs_given_threads *given; // NULL: dump this process
    pid_t pid;
    const struct gs_memory *memory; // of the process
    int64_t waited_ns;           // time lost on threads that did not answer
    size_t known[GS_KNOWN_STACKS]; // hash % GS_KNOWN_STACKS ──▶ index of a sample with that stack, plus 1; 0: none
    int task;                     // descriptor of /proc/self/task; -1: dump of given threads
    int channel_call;             // the system call that `channel` belongs to; -1: none yet
    char channel[48];
    int signal;                   // the signal that asks a thread for its stack; 0: none is free
    struct gs_thread_stack stack; // work area
};

/* Read the locks again that threads wait for: after all threads were read. */
void gs_gather_waits_look_again(struct gs_thread_dump *dump);
/* Find out for each thread what kind of thing it waits for; after symbolizing. */
void gs_gather_waits_recognise(struct gs_thread_dump *dump);
/* The waits, largest first, with names and holders. The threads are sorted by tid. */
void gs_gather_waits_collect(struct gs_thread_dump *dump, const struct gs_maps *maps, struct gs_waits *out);
/* "rwlock", else "mutex". */
const char *gs_gather_lock_word(enum gs_wait_kind kind);

/* threads.txt. Sorts the threads by stack. */
void gs_gather_threads_text(struct gs_thread_dump *dump, const struct gs_deadlock *deadlock, const struct gs_waits *waits,
                            struct gs_text *out);
