/* gather/threads.h - what threads.c and threads_text.c share: one dump of all threads. */
#pragma once
#include "gather/inside.h"
#include "profile/profile.h"

struct gs_thread_seen {
    pid_t tid;
    char name[32], state, channel[48];
    enum gs_thread_how how;
    bool cut;
    const char *unreachable_why;     // why it cannot be asked; NULL: it can
    int call;             // -1: none
    uintptr_t futex;      // where it waits; 0: it does not
    struct gs_wait waits; // holder 0: for nobody that can be told
    uint64_t stack;       // hash of its frames and state: equal for equal stacks
    size_t sample;        // in the profile
};

enum { GS_KNOWN_STACKS = 64 };
struct gs_thread_dump {
    struct gs_thread_seen *thread;
    size_t count, capacity;
    struct gs_profile *profile;
    const struct gs_given_threads *given; // NULL: this process's own
    pid_t pid;
    int64_t waited_ns;
    size_t known[GS_KNOWN_STACKS]; // samples of stacks that were seen, by hash; + 1
    int task;                     // /proc/self/task, open; -1: not ours
    int channel_call;             // the call that `channel` is of; -1: none yet
    char channel[48];
    int signal;                   // that threads are asked by; 0: none can be had
    struct gs_thread_stack stack; // room to work in
};

/* threads.txt. Sorts the threads by stack. */
void gs_gather_threads_text(struct gs_thread_dump *dump, const struct gs_deadlock *deadlock, struct gs_text *out);
