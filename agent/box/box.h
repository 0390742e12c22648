/* box/box.h - the door of box/: the black box, a file from which an incident is made if the process dies.
 * Opened by: incident, watch, reader, cli, tests.  Opens: base, sys, metrics, history, rules, symbol, profile, gather,
 * account, store. */
#pragma once
#include "account/account.h"
#include "base/attributes.h"
#include "gather/gather.h"
#include "history/history.h"
#include "rules/rules.h"
#include "store/store.h"
#include "sys/identity.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What incidents and the box of this process share. */
struct gs_incident_context {     // the same for all incidents of a watch; borrowed
    const struct gs_rules *rules;
    const struct gs_history *history;
    const struct gs_baselines *baselines;
    const char *const *unavailable; // "memory_pressure: no PSI in this kernel": shown in every incident
    size_t unavailable_count, unavailable_of_rules; // those that rules name are first
    const char *rules_refused; // why a changed rules file was refused; NULL: it was not
    uint64_t limit_bytes;      // 0: unknown
    const char *limit_from;
    int64_t start_ns;          // CLOCK_MONOTONIC of the watch's start
    int64_t started_ns;        // CLOCK_REALTIME of the process's start
};

/* ---- the black box: DIR/.live/<pid>-<start time>-<namespace>.box (write.c) ------------------------------------------ */

struct gs_box;                 // an incident is made from it if this process dies; NULL is no box: all functions accept it
/* Make the box of this process in STORE, which is borrowed. NULL: no memory. Nothing is written before the first
 * gs_box_write.
 * Context: watcher, like all of these. */
struct gs_box *gs_box_open(struct gs_store *store) GS_CHECK_RESULT;
enum gs_box_when { GS_BOX_TICK, GS_BOX_EARLY }; // early: between two ticks, because the heap grew
/* Write what has changed since the last write. If the process is killed during a write, the box contains the write before
 * it. HEAP_IN_USE: bytes, read just before. A failure is logged once; the box then keeps its last complete write. */
void gs_box_write(struct gs_box *box, const struct gs_incident_context *context, uint64_t heap_in_use, enum gs_box_when when);
/* The heap in use, in bytes, above which a write is due before the next tick: 1/16 more than at the last write. */
uint64_t gs_box_heap_line(const struct gs_box *box);
/* A thread of the process has crashed: write CRASH, which is copied. False: not written; call again. Context: any one thread
 * with the watcher's table of descriptors, also while the watcher writes. */
bool gs_box_write_crash(struct gs_box *box, const struct gs_given_crash *crash) GS_CHECK_RESULT;
/* The parts of the resident memory, as just taken: the next write has them. */
void gs_box_note_account(struct gs_box *box, const struct gs_account_parts *parts);
void gs_box_request_rewrite(struct gs_box *box); // the rules have changed: the next write writes a whole new file
/* The watch ends normally: remove the file and free BOX. */
void gs_box_close(struct gs_box *box);
/* Close and remove the file until the next write: the thread that has it open ends, and may be started again. */
void gs_box_remove_file(struct gs_box *box);
/* The process ends itself without running destructors (_exit, exec): remove the file. Context: any thread, also in signal
 * handlers; does nothing in a child of vfork. */
void gs_box_leave(void);
/* The same without a system call, for threads in a sandbox; leaves a mark in the file, which says that it is of no use. */
void gs_box_leave_by_mark(void);
/* From now on both do nothing, as in the child of a fork. */
void gs_box_leave_cancel(void);
/* Has the process whose box is open as FD left it as gs_box_leave_by_mark does? */
bool gs_box_was_left(int fd);

/* ---- reading a box, which is not trusted (read.c) ------------------------------------------------------------ */

struct gs_post_mortem {            // what is known of a process that died; borrowed. Not known: "", NULL or 0
    int pid;
    const char *process;       // its gs_store_live_name; NULL: not known
    const char *exe, *host;
    const struct gs_identity *identity;
    int64_t started_ns, last_seen_ns; // CLOCK_REALTIME
    const char *how;           // how it died: "killed by signal 9 (SIGKILL)"
    int signal;
    uint64_t limit_bytes;
    const char *limit_from;
    const struct gs_maps *maps;       // never NULL; not known: gs_symbol_maps_parse of ""
    const char *const *plumbing; // patterns of the reader's: functions that are no culprits
    size_t plumbing_count;
    const struct gs_given_heap *heap;
    const struct gs_given_threads *threads;
    const struct gs_given_crash *crash; // NULL: none is known
    bool threads_are_all;      // false: `threads` is the crashed one alone
    const struct gs_account_parts *account; // NULL: none
    const struct gs_history *history;
    const char *rules;         // the text of the rules in force, of any version
    size_t rules_length;
    const char *const *note;   // sentences: what is missing, and why
    size_t note_count;
};
/* Do BYTES begin like a black box? */
bool gs_box_is(const void *bytes, size_t length);
/* Does another process hold the lock of the box that is open as FD? That process is its writer, in any container. Context:
 * CLI. */
bool gs_box_is_locked(int fd);
/* Read a box, which is not trusted. NULL with a sentence in WHY. Uses at most about ten times LENGTH of memory. */
struct gs_box_contents;
struct gs_box_contents *gs_box_read(const void *bytes, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;
/* What CONTENTS say of the process, borrowed, and how it died, as far as known. NULL: the process runs. */
const struct gs_post_mortem *gs_box_post_mortem(struct gs_box_contents *contents);
struct gs_history *gs_box_take_history(struct gs_box_contents *contents); // the caller frees it; NULL: no history
void gs_box_contents_free(struct gs_box_contents *contents);

enum { GS_DEATH_TEXT = 320 }; // how a process died, in words
struct gs_box_contents {
    struct gs_post_mortem post_mortem; // `how` and `signal` are set later; lives as long as these contents
    struct gs_store_live_id id;
    char process[GS_LIVE_NAME]; // the id as a name
    struct gs_identity identity;
    const char *boot_id, *oom_file;
    int64_t oom_kills;         // at the last write; -1: not known
    struct gs_given_heap heap;
    struct gs_given_stack *stack;
    struct gs_given_crash *crash; // NULL: none was noted
    struct gs_given_threads threads; // its thread
    struct gs_account_parts account;
    struct gs_maps *maps;
    struct gs_history *history;
    char *rules;
    struct gs_profile *texts;  // only stores strings, equal ones once
    const char *notes[4];
    char how[GS_DEATH_TEXT];
};
/* Write how the process died to OUT: "killed by signal 9 (SIGKILL), probably the OOM killer: …". NUMBER: the signal, as its
 * parent got it from waitpid; 0: not known. */
void gs_box_describe_death(const struct gs_box_contents *contents, int number, char out[GS_DEATH_TEXT]);
/* Take the lock of the box FD (fcntl); false: another process holds it. Children do not inherit the lock. It ends with the
 * process, and also when the process closes any descriptor of the file: so a process must not open its own box a second
 * time. */
bool gs_box_lock(int fd);
enum { GS_BOX_BYTES_MAX = 32 << 20 }; // the largest box
