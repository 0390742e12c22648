/* gather/inside.h - what the files of gather/ share. */
#pragma once
#include "gather/gather.h"
#include "probe/probe.h"
#include "sys/pagemap.h"

int gs_gather_heap(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_peak(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_pages(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_lifetimes(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_threads(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_cpu(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_threadcreate(const struct gs_gather *how, struct gs_gathered *out);

int gs_gather_fds(const struct gs_gather *how, struct gs_gathered *out);

/* ---- descriptors (fds.c, fds_describe.c, fds_text.c) --------------------------------------------------------------- */

enum { GS_FD_GROUPS = 4096, GS_FD_TARGET = 200, GS_FD_TYPES = 32, GS_FD_TYPE = 24 };
struct gs_fd_group {           // descriptors that refer to the same
    char what[GS_FD_TARGET];   // "file /var/log/x", "socket tcp to 10.0.0.1:5432"
    size_t count;
    int example;
    const char *opener;        // the function that opened most of them; NULL: not seen. Borrowed from the profile
    size_t opened;             // so many
};
struct gs_open_fd {
    int64_t stack;             // -1: not seen
    uint32_t group, type;      // group GS_FD_GROUPS: no group was left
    uint32_t sample;           // in the profile
    const char *opener;        // NULL: not seen
};
struct gs_fds {                // the descriptors that are open
    int directory, process;    // descriptors of /proc/self/fd and of a pidfd
    struct gs_open_fd *fd;
    size_t count, beyond;      // beyond: descriptors for which there was no room
    size_t not_seen, caller_only;
    char type[GS_FD_TYPES][GS_FD_TYPE];
    uint32_t type_count;
    size_t group_count, ungrouped;
    struct gs_fd_group group[GS_FD_GROUPS];
};
/* Describe entry NAME, a link to "pipe:[123]", "anon_inode:[eventpoll]" or "/path". */
void gs_gather_describe_fd(const struct gs_fds *fds, const char *name, const char *link, char *out, size_t size);
/* Count descriptor NUMBER, which is described by WHAT; returns its group. */
uint32_t gs_gather_group_fd(struct gs_fds *fds, const char *what, int number);
/* Write fds.txt to TEXT, and its part of summary.txt to SUMMARY. Sorts FDS's arrays anew. */
void gs_gather_fds_text(struct gs_fds *fds, struct gs_text *text, struct gs_text *summary);

#define GS_TABLE_FULL "(table full)" /* frame name for samples that found no room in the stack table */

/* The labels of set SET, for a sample; returns the number of labels. */
uint32_t gs_gather_label_values(uint32_t set, struct gs_label_value out[GS_LABELS_MAX]);

/* ---- locks (locks.c) ----------------------------------------------------------------------------------------------- */

/* Read what is around the word FUTEX. */
void gs_gather_lock_memory_read(const struct gs_memory *memory, uintptr_t futex, struct gs_lock_memory *out);

struct gs_futex { uint64_t address; uint32_t operation, wanted; }; // a futex call; address 0: none
struct gs_lock_state {
    uint64_t address;
    bool known;               // the lock's memory was read; then:
    int holder;               // thread that holds it, for writing; 0: none, or it is changing hands
    uint32_t readers;         // threads that hold a rwlock for reading
};
/* Read the lock of KIND, in which a thread waits by FUTEX, as glibc writes it. */
void gs_gather_lock_read(enum gs_wait_kind kind, const struct gs_futex *futex, const struct gs_lock_memory *lock,
                         struct gs_lock_state *out);

/* What thread TID waits for, and which thread holds it. */
struct gs_wait {
    int tid, holder;
    uintptr_t lock; // 0: waits for thread HOLDER to end
};
/* Set *OUT (all but tid) for the thread that STACK shows, which waits at LOCK; false: it waits for no thread that we can
 * name. */
bool gs_gather_waits_for(const struct gs_lock_memory *lock, const struct gs_thread_stack *stack, struct gs_wait *out);
/* Find a cycle in WAIT[0..COUNT), which is sorted by tid: each of OUT's waits for the next, the last for the first. Returns
 * its length, at most MAX; 0: no cycle. */
size_t gs_gather_find_deadlock(const struct gs_wait *wait, size_t count, size_t out[], size_t max);

/* Why thread TID is not to be sent SIGNAL, for people: as gs_probe_why_not_signal has it, or because it blocks the signal, or is in a
 * sandbox that the probe has not seen. NULL: it may be. */
const char *gs_gather_task_why_not_signal(int task, pid_t tid, int signal);
/* The word for STATE, the letter of a thread's state in /proc: "sleeping" for 'S'. */
const char *gs_gather_thread_state(char state);

/* OUT becomes library NUMBER; its path is freed by the caller. False: no memory. */
bool gs_gather_library_mapping(const struct gs_library *from, uint32_t number, struct gs_mapping *out);

/* gs_gather_pages, out of the pagemap SOURCE. TRACKS_WRITES: it has the bits that say which pages were written. */
int gs_gather_pages_by(const struct gs_gather *how, struct gs_pages *source, bool tracks_writes, struct gs_gathered *out);

/* How old the live blocks of each stack are (ages.c): for each class of ages the objects, as the probe counts them, and the
 * bytes; and the bytes of blocks that are older than the baseline. */
struct gs_age_counts { uint64_t objects, bytes; };
struct gs_stack_ages { struct gs_age_counts class[GS_AGE_CLASSES]; uint64_t old_bytes; };
struct gs_ages { uint32_t count; struct gs_stack_ages *of; }; // count: of stacks
/* Read the ages of all live samples, as of NOW_NS. BASELINE_NS: when the baseline was taken. False: no memory. */
bool gs_gather_ages_take(struct gs_ages *out, int64_t now_ns, int64_t baseline_ns) GS_CHECK_RESULT;
void gs_gather_ages_fini(struct gs_ages *ages);
/* The ages of STACK, made to add up to what COUNTS has in use. _add: add them to the totals OUT. */
struct gs_stack_ages gs_gather_ages_of(const struct gs_ages *ages, uint32_t stack, const struct gs_heap_counts *counts);
void gs_gather_ages_add(const struct gs_stack_ages *ages, struct gs_heap_ages *out);

/* FIXED, in units of 1 / (1 << GS_OBJECT_SHIFT), rounded. */
int64_t gs_gather_whole_objects(uint64_t fixed);
/* COUNTS as profile values: whole objects, and bytes. */
void gs_gather_heap_values(struct gs_heap_counts counts, int64_t values[GS_HEAP_VALUES]);

/* The counts of every stack (COUNT stacks) at one moment; the counts belong to the baseline. */
struct gs_baseline { int64_t time_ns; uint32_t count; struct gs_heap_counts *counts; void *attached; };
/* Copy the counts of every stack as they are now; the caller frees OUT's counts. False: no memory. */
bool gs_gather_baseline_copy(struct gs_baseline *out, int64_t now_ns) GS_CHECK_RESULT;
/* Copy the counts of THERE, which are in another process's MEMORY; the caller frees OUT's. False: they cannot be read. */
bool gs_gather_baseline_read(const struct gs_memory *memory, const struct gs_baseline *there, struct gs_baseline *out);
/* A peak: the counts then, their sum, and the highest heap in use that was seen around it, in bytes. */
struct gs_peak { struct gs_baseline copy; uint64_t bytes, highest_bytes; };
/* Copy the peak to OUT, whose counts the caller frees. False: none is kept, or no memory. Context: any thread of ours. */
bool gs_gather_peak_get(struct gs_peak *out) GS_CHECK_RESULT;
/* Is a peak of PEAK_BYTES more than 10 % above NOW_BYTES, and by more than three standard errors of an estimate from samples
 * DISTANCE bytes apart? */
bool gs_gather_peak_is_higher(uint64_t peak_bytes, uint64_t now_bytes, uint64_t distance);
/* The baseline for a condition with a window of WINDOW_NS: the youngest that is at least that old and at least the first age
 * old; if none is, the oldest. NULL: no baseline exists. */
const struct gs_baseline *gs_gather_baselines_find(const struct gs_baselines *baselines, int64_t now_ns, int64_t window_ns);
/* The baseline for a condition without a window, read from another process's baselines at AT. The caller frees OUT's counts.
 * False: no baseline, or it cannot be read. */
bool gs_gather_baselines_read(const struct gs_memory *memory, uint64_t at, int64_t now_ns, struct gs_baseline *out);
/* Baseline number AT, youngest first; NULL: no such baseline. */
const struct gs_baseline *gs_gather_baselines_at(const struct gs_baselines *baselines, unsigned at);
