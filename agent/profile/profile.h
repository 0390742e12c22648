/* profile/profile.h - the door of profile/: one profile model; pprof written and read; heap and threads
 * gathered into it; flat, cum and growth worked out of it.
 * Opened by: incident, cli, the agent's own files, tests.  Opens: base, probe, symbol. */
#pragma once
#include "base/attributes.h"
#include "base/kinds.h"
#include "base/text.h"
#include "symbol/symbol.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the model ------------------------------------------------------------------------------------------- */

enum { GS_SAMPLE_TYPES_MAX = 8, GS_SAMPLE_DEPTH_MAX = 1024 };

struct gs_value_type { const char *type, *unit; };  // "inuse_space", "bytes"

struct gs_function { const char *name, *system_name, *file; int64_t start_line; };
struct gs_line { uint32_t function; int64_t line; }; // function: an index
struct gs_location {
    uint64_t address;
    uint32_t mapping;             // index + 1; 0: none
    uint32_t line_count;          // 0: no names known
    const struct gs_line *line;   // innermost (inlined) first, as in pprof
};
struct gs_profile_mapping {
    uint64_t start, end, offset;
    const char *path, *build_id;  // build_id: hex, "" when unknown
    bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};
struct gs_label_value { const char *key, *text; int64_t number; const char *unit; }; // text NULL: a number
struct gs_sample {
    const uint32_t *location;     // depth of them, leaf first: indexes
    const int64_t *value;         // one for each sample type
    const struct gs_label_value *label;
    uint32_t depth, label_count;
};

struct gs_profile {               // everything in it is owned by it, strings included
    struct gs_value_type sample_type[GS_SAMPLE_TYPES_MAX];
    unsigned sample_type_count, default_sample_type;
    struct gs_value_type period_type;
    int64_t period, time_ns, duration_ns;
    const char *drop_frames;      // "" when none
    const char **comment;
    size_t comment_count;
    struct gs_profile_mapping *mapping;
    size_t mapping_count;
    struct gs_function *function;
    size_t function_count;
    struct gs_location *location;
    size_t location_count;
    struct gs_sample *sample;
    size_t sample_count;
    bool failed;                  // memory ran out while building: incomplete
    struct gs_profile_pool *pool; // internal: strings, arenas, intern tables
};

struct gs_profile *gs_profile_new(void) GS_CHECK_RESULT;
void gs_profile_free(struct gs_profile *profile);
/* A copy of TEXT that lives as long as PROFILE; equal texts give the same pointer. "" when memory is out. */
const char *gs_profile_string(struct gs_profile *profile, const char *text);
void gs_profile_add_sample_type(struct gs_profile *profile, const char *type, const char *unit);
void gs_profile_add_comment(struct gs_profile *profile, const char *format, ...) GS_PRINTF(2, 3);

/* Add a sample with the frames ADDRESS[0..DEPTH) (leaf first, as pprof wants them: the address of a call, not
 * its return address), one value for each sample type, and labels (copied). Equal addresses share a location. */
void gs_profile_add_sample(struct gs_profile *profile, const uint64_t *address, uint32_t depth,
                           const int64_t *values, const struct gs_label_value *labels, uint32_t label_count);
/* The same with a name instead of addresses: a one-frame stack called NAME ("(table full)"). */
void gs_profile_add_named_sample(struct gs_profile *profile, const char *name, const int64_t *values,
                                 const struct gs_label_value *labels, uint32_t label_count);
/* Give every location of PROFILE its mapping and function, from the process that MAPS describes; the main
 * program becomes mapping 1. What could not be named is said in comments. */
void gs_profile_symbolize(struct gs_profile *profile, const struct gs_maps *maps);

/* ---- pprof (profile.proto, gzip'd) ------------------------------------------------------------------------ */

/* Write PROFILE to FD, message by message, so that memory does not grow with it. 0 or -errno. */
int gs_profile_write(const struct gs_profile *profile, int fd) GS_CHECK_RESULT;
/* Read a profile (gzip'd or not) of hostile origin: every index is checked, at most 512 MiB unpacked.
 * NULL with a sentence in WHY. */
struct gs_profile *gs_profile_read(const void *bytes, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;

/* ---- what it says ------------------------------------------------------------------------------------------- */

/* The sample type called NAME, or the default for NULL; -1 when there is none. */
int gs_profile_sample_type(const struct gs_profile *profile, const char *name);
/* Make PROFILE the growth from BASE to it: BASE's samples are added with their values negated, locations matched
 * by mapping (build id, else path) and address in file. Sample types must be the same: else -EINVAL. */
int gs_profile_subtract(struct gs_profile *profile, const struct gs_profile *base) GS_CHECK_RESULT;

struct gs_top_row { const char *function, *file; int64_t flat, cum; }; // borrowed from the profile
struct gs_top { struct gs_top_row *row; size_t count; int64_t total; };
/* Flat and cum by function for SAMPLE_TYPE, as `go tool pprof -top` works them out and sorts them (a function
 * counts once in a stack's cum however often it recurs; total is the sum of absolute flat values, as pprof has
 * it with and without -base; drop_frames applied; functions without a name by their address). Rows are complete: the
 * caller cuts. 0 or -ENOMEM; free with gs_top_fini. */
int gs_profile_top(const struct gs_profile *profile, int sample_type, struct gs_top *out) GS_CHECK_RESULT;
void gs_top_fini(struct gs_top *top);

struct gs_stack_row { const uint32_t *location; uint32_t depth; int64_t value; size_t sample; };
struct gs_stacks { struct gs_stack_row *row; size_t count; int64_t total; };
/* Whole stacks (those of the same functions added up), heaviest first. 0 or -ENOMEM; free with gs_stacks_fini. */
int gs_profile_stacks(const struct gs_profile *profile, int sample_type, struct gs_stacks *out) GS_CHECK_RESULT;
void gs_stacks_fini(struct gs_stacks *stacks);
/* The first of the frames LOCATION[0..DEPTH) that belongs to the program or a library of its own choosing; else the first
 * that is no allocation wrapper; else the leaf. An index. */
uint32_t gs_profile_own_frame(struct gs_profile *profile, const uint32_t *location, uint32_t depth);
/* The name of LOCATION's innermost function (borrowed), or "[name.so]" or its hex address, put into OUT, when it is not
 * known. */
const char *gs_profile_frame_name(const struct gs_profile *profile, uint32_t location, char *out, size_t size);

/* ---- gathering (a table: profile/captures.c) ----------------------------------------------------------------- */

struct gs_baselines;              // what every stack held at some moments past
struct gs_baselines *gs_baselines_new(void) GS_CHECK_RESULT;
void gs_baselines_free(struct gs_baselines *baselines);
/* Has the time come for one: FIRST_AGE_NS after START_NS, or after the youngest? Take it if it has; they are kept at doubling
 * ages. Bounded. */
bool gs_baselines_due(const struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns, int64_t now_ns);
void gs_baselines_tick(struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns, int64_t now_ns);

struct gs_gather {                // what a gatherer may need; times are CLOCK_MONOTONIC
    const struct gs_maps *maps;
    const struct gs_baselines *baselines; // NULL: none
    int64_t now_ns, start_ns;             // start of the watch
    int64_t window_ns;                    // of the condition: the baseline is the youngest at least as old
    struct gs_cpu_session *cpu;           // taken by the gatherer of CPU time; NULL: there is none
    const char *reason;                   // for the comments
};
/* Threads that wait for each other: each for what the next one holds, the last for what the first one does. */
enum { GS_DEADLOCK_MAX = 16 };
struct gs_deadlocked {
    int tid, holder;              // who waits, and who holds what it waits for
    uint64_t lock;                // its address; 0: for the thread HOLDER to end (pthread_join)
    const char *name, *function;  // of the thread; of the program's own frame that waits. Borrowed from the profile
    size_t sample;                // in the profile of threads
};
struct gs_deadlock { size_t count; struct gs_deadlocked thread[GS_DEADLOCK_MAX]; }; // count 0: none was seen

enum { GS_GIVEN_DEPTH = 256 };
struct gs_gathered {              // all zero before; gs_gathered_fini after
    struct gs_profile *profile;
    struct gs_profile *base;      // heap only, and only when there is a baseline
    int64_t base_age_ns;
    struct gs_text text;          // threads.txt
    struct gs_deadlock deadlock;  // of threads, when there is one
    struct gs_text notes;         // what was dropped, a line each
};
/* Threads of another process, as somebody else has read them while they stood still. */
struct gs_given_thread {
    int tid, call;             // call -1: none
    char name[32], state, channel[48];
    uintptr_t argument[6];     // of the call
    uint32_t depth;
    bool cut;
    uintptr_t frames[GS_GIVEN_DEPTH]; // leaf first: return addresses; the leaf's pc plus one
};
struct gs_given_threads {
    int pid, died;             // died: the thread that the process's end came from; 0: none, or not known
    const struct gs_given_thread *thread;
    size_t count;
};
/* What gathering the threads of this process gives, of those. */
int gs_gather_given(const struct gs_gather *how, const struct gs_given_threads *given, struct gs_gathered *out);

/* The heap of this process stack by stack, for the black box: as gs_probe_stack_count and gs_probe_stacks_changed have it, and
 * the same at the moments of the two youngest baselines. */
uint32_t gs_heap_stack_count(void);
enum { GS_HEAP_GROUP = 64 };   // stacks
uint64_t gs_heap_stacks_changed(uint32_t group);
struct gs_given_stack;
/* STACK's frames (borrowed, for good) and labels (into LABEL, of GS_HEAP_LABELS_MAX) into OUT, whose values stay as they are. */
enum { GS_HEAP_LABELS_MAX = 8 };
void gs_heap_stack_read(uint32_t stack, struct gs_label_value *label, struct gs_given_stack *out);
void gs_heap_stack_values(uint32_t stack, int64_t *values); // GS_HEAP_VALUES of them
/* Baseline number AT, the youngest first: when it was taken, CLOCK_MONOTONIC (0: there is none), and its values of STACK. */
int64_t gs_baseline_time_ns(const struct gs_baselines *baselines, unsigned at);
void gs_baseline_values(const struct gs_baselines *baselines, unsigned at, uint32_t stack, int64_t *values);

/* A heap, as somebody else has read it: out of the black box or the core file of a process that died. Values are what the
 * samples stand for: whole objects, and bytes. */
enum gs_heap_value { GS_ALLOC_OBJECTS, GS_ALLOC_SPACE, GS_INUSE_OBJECTS, GS_INUSE_SPACE, GS_HEAP_VALUES }; // as its sample types
struct gs_given_stack {
    const uint64_t *frame;     // depth of them, leaf first: return addresses; an exact pc plus one
    uint32_t depth;            // 0: what was charged to no stack, because the table was full
    uint32_t label_count;
    const struct gs_label_value *label;
    int64_t now[GS_HEAP_VALUES], then[GS_HEAP_VALUES]; // then: as of the baseline
};
struct gs_heap_sampling {      // how a heap was sampled, and what was left out
    uint64_t asked_bytes, bytes;       // mean distance: as the rules have it, and in force
    uint32_t for_budget, for_crowding; // doublings between the two
    uint64_t samples_dropped, stacks_full, stacks_cut, labels_refused;
    bool hooks_seen;                   // false: the program brings an allocator of its own
};
struct gs_given_heap {
    const struct gs_given_stack *stack;
    size_t count;
    int64_t time_ns, duration_ns;      // CLOCK_REALTIME of the values now; since the watch's start
    int64_t base_age_ns;               // how much older the baseline is; 0: there is none
    struct gs_heap_sampling sampling;
};
void gs_heap_sampling_now(struct gs_heap_sampling *out); // of this process
/* What gathering the heap of this process gives, of that. */
int gs_gather_given_heap(const struct gs_gather *how, const struct gs_given_heap *given, struct gs_gathered *out);

/* The memory of a process that is no more, as its reader has it: LENGTH bytes of it at AT, or false. Readers embed it. */
struct gs_memory { bool (*read)(const struct gs_memory *memory, uint64_t at, void *out, size_t length); };
/* The heap out of the tables of a process that had our probe; ANCHOR: where its gumshoe_anchor lies in MEMORY. What it holds
 * may be anything: all is checked. NULL with a sentence in WHY. Context: CLI. */
struct gs_anchored {
    struct gs_given_heap heap;
    int64_t last_tick_ns;      // CLOCK_REALTIME of the watcher's last tick; 0: none ran
    void **kept;               // internal: what the stacks point to, kept_count blocks
    size_t kept_count;
};
struct gs_anchored *gs_anchored_read(const struct gs_memory *memory, uint64_t anchor, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_anchored_free(struct gs_anchored *anchored);
/* Where the anchor lies in LENGTH bytes of memory at AT; 0: it does not. */
uint64_t gs_anchor_find(const struct gs_memory *memory, uint64_t at, uint64_t length);

/* The memory account: resident memory by what it is for. */
enum gs_part { GS_HEAP_LIVE, GS_HEAP_KEPT, GS_STACKS, GS_FILES, GS_SHARED, GS_ANONYMOUS, GS_AGENT, GS_PARTS };
extern const char *const gs_part_names[GS_PARTS]; // "heap_live", …
struct gs_account {               // bytes; all zero before; gs_account_fini after
    uint64_t rss, part[GS_PARTS]; // which add up to rss
    uint64_t counted;             // what the kernel counts as resident, a moment later
    bool has_base;                // the parts as of the baseline are known, and how old they are
    uint64_t base[GS_PARTS];
    int64_t base_age_ns;
    struct gs_profile *mappings;  // what is anonymous because the host mapped it outside malloc: "anonymous" by stack, and
                                  // "growth" since the base
    struct gs_text notes;         // what it lacks, a line each
};
/* Take it of this process: 7 ms a GiB, a second at most. 0 or -errno. Context: watcher. */
int gs_account_take(const struct gs_gather *how, struct gs_account *out) GS_CHECK_RESULT;
void gs_account_fini(struct gs_account *account);

struct gs_capture {
    const char *name;
    enum gs_kind kind;
    int (*gather)(const struct gs_gather *how, struct gs_gathered *out); // 0 or -errno
    const char *file, *base_file, *text_file;                            // NULL: there is none
};
/* CPU time is gathered over time: open ▶ poll, again and again ▶ gather (gs_gather.cpu), which closes it. Any thread but the
 * host's in a hook; several sessions may be open at once. */
struct gs_cpu_settings { double hertz; int64_t before_ns; };
/* Take these settings. With before_ns the threads are sampled from now on, so that a session may begin before it is opened;
 * else only while one is open. */
void gs_cpu_configure(const struct gs_cpu_settings *settings);
/* NULL, with a sentence in WHY: the host uses every signal that we could, or no memory. */
struct gs_cpu_session *gs_cpu_open(int64_t duration_ns, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_cpu_abandon(struct gs_cpu_session *session); // instead of gathering it; NULL is fine
bool gs_cpu_is_over(const struct gs_cpu_session *session, int64_t now_ns);
void gs_cpu_poll(int64_t now_ns);    // at least every GS_CPU_POLL_NS while a session is open, every second else
#define GS_CPU_POLL_NS (50 * 1000000LL)
void gs_cpu_after_fork(void);

extern const struct gs_capture gs_captures[]; // in the order in which an incident takes them; NULL name ends
void gs_gathered_fini(struct gs_gathered *gathered);
