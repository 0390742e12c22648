/* account/account.h - the door of account/: the resident memory of this process, split into parts by use.
 * Opened by: box, incident, watch, tests.  Opens: base, sys, probe, symbol, profile, gather. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include "gather/gather.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The columns of gs_account.mappings, its sample types: what is mapped now, and by how much it grew since the base. */
enum gs_account_column { GS_MAPPED_ANONYMOUS, GS_MAPPED_SHARED, GS_MAPPED_UNSEEN, GS_MAPPED_FILES, GS_STACKS_DEEP,
                         GS_STACKS_CREATED, GS_MAPPED_KINDS };
enum { GS_MAPPED_COLUMNS = 2 * GS_MAPPED_KINDS }; // 2 * column: its size; + 1: its growth
extern const char *const gs_account_columns[GS_MAPPED_COLUMNS]; // "anonymous", "growth", …
/* An empty profile with these sample types; NULL: no memory. */
struct gs_profile *gs_account_mappings_new(void) GS_CHECK_RESULT;

/* The stack of one thread. */
struct gs_account_thread {
    int tid;
    char name[16];
    uint64_t bytes;               // resident
    int64_t growth;               // since the base; 0: there is no base
    uint64_t in_use;              // what of it is used now; 0: not known
    bool is_new;                  // it was not there at the base
};

/* Memory of one area of the memory map, as far as no stack is known that mapped it. */
struct gs_account_area {
    uint64_t start, end;          // 0: small areas, added up
    char name[256];               // "/dev/shm/ring", "[anonymous mapping]", "[.bss of redis-server]"
    uint64_t bytes;               // resident
    int64_t growth;               // since the base; 0: there is no base
    uint64_t size_then;           // of the area at the base; 0: it held next to nothing then, or there is no base
    unsigned char part;           // enum gs_account_part: GS_FILES, GS_SHARED, GS_ANONYMOUS, GS_HEAP_KEPT
    bool by_call;                 // a call of the program's made it; false: it came with a file
};

/* The memory account: resident memory by use. */
enum gs_account_part { GS_HEAP_LIVE, GS_HEAP_KEPT, GS_STACKS, GS_FILES, GS_SHARED, GS_ANONYMOUS, GS_AGENT, GS_PARTS };
extern const char *const gs_part_names[GS_PARTS]; // "heap_live", …
struct gs_account {               // bytes; all zero before; gs_account_fini after
    uint64_t rss, part[GS_PARTS]; // the parts add up to rss
    uint64_t counted;             // the kernel's count of resident bytes, read slightly later
    bool has_base;                // base and base_age_ns are set: the parts at the baseline
    uint64_t base[GS_PARTS];
    int64_t base_age_ns;
    struct gs_profile *mappings;  // memory that the host mapped outside malloc, by stack (anonymous, shared) or, where no stack
                                  // is known (unseen, files), by the name of its area; stacks of threads by the function whose
                                  // frames are most of it (deep), else by who created the thread (created)
    struct gs_account_area *area; // the largest areas without a stack
    size_t areas;
    struct gs_account_thread *thread; // those whose stacks grew most
    size_t threads;
    const char *heap_unseen;      // why the program's allocator is not seen, so that live blocks are not known; borrowed;
                                  // NULL: it is seen. Set by the caller
    struct gs_heap_pages *heap;   // which pages of the heap are resident; NULL: not known
    struct gs_text notes;         // what is missing from the account, one line each
    bool of_dead;                 // of a process that died: the account has no stacks
    int64_t age_ns;               // and was taken so long before its end
};
/* Take the account of this process: 7 ms a GiB, 1 s at most. 0 or -errno. Context: watcher. */
int gs_account_take(const struct gs_gather *how, struct gs_account *out) GS_CHECK_RESULT;
void gs_account_fini(struct gs_account *account);

/* As gs_gather; also the waste, which an account is taken for unless HOW has the pages of one. Context: as gs_gather. */
int gs_account_gather(enum gs_kind kind, const struct gs_gather *how, struct gs_gathered *out) GS_CHECK_RESULT;
/* The frame of free memory that no stack is charged with. */
#define GS_UNATTRIBUTED "[unattributed]"

/* The parts alone, without stacks: for the black box. */
struct gs_account_parts {
    int64_t time_ns;              // CLOCK_REALTIME; 0: never taken
    uint64_t part[GS_PARTS];      // bytes
};
/* Take the parts of this process: 7 ms a GiB, 1/4 s at most. False: they cannot be read, or not in that time. Context:
 * watcher. */
bool gs_account_take_parts(struct gs_account_parts *out) GS_CHECK_RESULT;

/* What account/ stores with each baseline: for gs_gather_baselines_new. */
extern const struct gs_attachment gs_account_attachment;
