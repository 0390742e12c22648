/* account/inside.h - what the files of account/ share.
 *
 *   account.c   asks the probe, /proc and the agent ──▶ survey.c   who owns which range (pure) ──▶ pages.c   resident pages
 *                                                       └──▶ areas.c   what nobody claims, by area; stacks.c   threads' stacks
 *                                                                                                     │ those of the heap
 *   waste_profile.c ◀── waste.c   whose blocks pin free memory (pure) ◀── chunks.c   glibc's headers ◀─┴ heap_pages.c
 */
#pragma once
#include "account/account.h"
#include "sys/pagemap.h"

/* ---- pages.c: present pages, out of /proc/PID/pagemap ------------------------------------------------------------ */

struct gs_page_counts {
    uint64_t file;      // pages of a file or of shared memory
    uint64_t anonymous;
    uint64_t doubtful;  // part of anonymous: mapped more than once (after a fork), or the zero page, which is not resident
};
struct gs_heap_pages;
/* Add the present pages of START to END to *OUT, and to HEAP unless that is NULL. Each step reads 2 MiB of address space; the kernel
 * holds the memory map's lock for one step only. Pages that cannot be read are missing (pages->cut, pages->error). */
void gs_account_pages_count(struct gs_pages *pages, uint64_t start, uint64_t end, struct gs_page_counts *out,
                            struct gs_heap_pages *heap);

/* ---- heap_pages.c: which pages of the heap are resident ------------------------------------------------------------ */

enum { GS_CELL = 256 << 10 };  // bytes: 64 pages
struct gs_heap_cell {          // of memory that starts at a multiple of GS_CELL, and has resident pages of the heap
    uint64_t address, pages;   // bit n of pages: page n is resident
    bool walked;               // chunks.c has read its headers; then:
    uint32_t in_use, trimmable; // resident bytes in chunks that are in use; that malloc_trim would return
};
struct gs_heap_range { uint64_t start, end; bool is_main; }; // is_main: grown with brk
struct gs_heap_pages {         // all zero before; gs_account_heap_pages_free after
    struct gs_heap_cell *cell; // sorted by address after gs_account_heap_pages_settle
    size_t count, capacity;
    struct gs_heap_range *range;
    size_t ranges, range_capacity;
    bool failed;               // no memory: some are missing
    bool cut;                  // the time was up: some were not read
    uint32_t arenas;           // glibc's, by their headers: 1 with the main heap; 0: none was found
};
/* Remember the range START to END, before its pages are added. */
void gs_account_heap_pages_range(struct gs_heap_pages *heap, uint64_t start, uint64_t end, bool is_main);
/* Add the pages of WORD[0..COUNT), the pagemap's words of the pages from number FIRST on. */
void gs_account_heap_pages_add(struct gs_heap_pages *heap, uint64_t first, const uint64_t *word, size_t count);
/* Sort the cells and the ranges; ranges that touch become one. */
void gs_account_heap_pages_settle(struct gs_heap_pages *heap);
/* The cell that contains ADDRESS; NULL: nothing is resident there. */
struct gs_heap_cell *gs_account_heap_pages_cell(const struct gs_heap_pages *heap, uint64_t address);
/* The resident bytes from START to END, which lie in CELL. */
uint64_t gs_account_cell_resident(const struct gs_heap_cell *cell, uint64_t start, uint64_t end);
void gs_account_heap_pages_free(struct gs_heap_pages *heap); // NULL is fine

/* ---- waste.c: whose blocks pin free memory. Pure -------------------------------------------------------------------- */

struct gs_waste_block {        // a live sample
    uint64_t address, size, weight; // size: of the block; weight: bytes that it stands for
    int64_t born_ns;           // CLOCK_MONOTONIC
    uint32_t stack;
};
struct gs_waste_row { uint32_t stack; uint64_t bytes, trimmable, samples; int64_t oldest_ns; };
struct gs_waste {              // gs_account_waste_fini after
    struct gs_waste_row *row;  // by stack
    size_t count;
    uint64_t resident, bytes, trimmable; // of the whole heap: resident, free of it, of that what malloc_trim would return
    uint64_t walked;           // resident bytes of which headers were read
    uint64_t pinned, pinned_trimmable; // what the rows add up to; the rest has no live sample near it
};
enum { GS_WASTE_WINDOW = 1 << 20 };
/* Share the free memory of HEAP (settled) among the stacks of BLOCK. 0 or -ENOMEM. */
int gs_account_waste_share(const struct gs_heap_pages *heap, const struct gs_waste_block *block, size_t blocks,
                           struct gs_waste *out) GS_CHECK_RESULT;
void gs_account_waste_sort(struct gs_waste_block *block, size_t blocks); // by address
void gs_account_waste_fini(struct gs_waste *waste);

/* ---- chunks.c: glibc's heap, by the headers of its chunks ------------------------------------------------------------ */

/* Read the headers in HEAP (settled) from MEMORY, and set what its cells have in use; in at most MOST_NS of CPU time. BLOCK, sorted by
 * address: chunks that are known to be in use. MEMORY may change meanwhile, and may be another allocator's: a cell whose headers
 * contradict each other stays unknown. 0 or -ENOMEM. */
int gs_account_chunks_walk(struct gs_heap_pages *heap, const struct gs_memory *memory, const struct gs_waste_block *block,
                           size_t blocks, int64_t most_ns) GS_CHECK_RESULT;

/* ---- survey.c: who owns which memory. Pure, except for reads of the pagemap's descriptor ---------------------------- */

enum gs_area_kind { GS_AREA_UNCOUNTED, GS_AREA_FILE, GS_AREA_SHARED, GS_AREA_ANONYMOUS, GS_AREA_HEAP, GS_AREA_STACK };
struct gs_area {
    struct gs_maps_line line;
    enum gs_area_kind kind;
    bool has_block;     // a heap block was seen in it
    struct gs_page_counts unclaimed; // its pages that no claim has
    double sought;      // sampled.c: pages of mappings like the sampled ones in it
};
/* A range of which we know more than the map says. Where ranges overlap, the first claimant wins: agent, stacks, mmap. */
enum gs_claimant { GS_CLAIM_AGENT, GS_CLAIM_STACK, GS_CLAIM_MAPPED, GS_CLAIMANTS };
struct gs_claim {
    uint64_t start, end;
    enum gs_account_part part;
    uint32_t stack;     // GS_CLAIM_MAPPED: the stack that called mmap; GS_CLAIM_STACK: the thread's tid
    uint64_t pages, doubtful, shared; // shared: pages of shared memory, GS_CLAIM_MAPPED only
    double weight;      // how many mappings it stands for; below: GS_CLAIM_MAPPED only
    uint64_t more;      // pages of the others (sampled.c)
};
struct gs_claims { struct gs_claim *claim; size_t count, capacity; };
struct gs_survey {      // all zero before; gs_account_survey_fini after
    struct gs_area *area;
    size_t areas, area_capacity;
    struct gs_claims claims[GS_CLAIMANTS];
    uint64_t pages[GS_PARTS], doubtful[GS_PARTS]; // heap pages are all counted under GS_HEAP_KEPT
    uint64_t agent_files; // file pages among the agent's pages
    struct gs_pages source;
    struct gs_heap_pages *heap; // gets the resident pages of the heap; NULL: nobody wants them
};
/* The kernel's counts of resident memory, in bytes (from /proc/PID/status). */
struct gs_resident { uint64_t all, anonymous, file, shared; };
struct gs_resident gs_account_resident_read(const char *status);

/* Call these in order: */
/* 1. Read the areas of MAPS (text of /proc/PID/maps; it must outlive the survey). MOUNTS (text of /proc/PID/mountinfo, or
 *    "") tells which devices hold memory, not files. -ENOMEM. */
int gs_account_survey_map(struct gs_survey *survey, const char *maps, size_t length, const char *mounts) GS_CHECK_RESULT;
/* 2. Add the claims; then call gs_account_survey_settle_claims once. */
int gs_account_survey_claim(struct gs_survey *survey, enum gs_claimant who, uint64_t start, uint64_t end, uint32_t stack) GS_CHECK_RESULT;
/*    A claim of who mapped it that stands for WEIGHT mappings of its size. */
int gs_account_survey_claim_sampled(struct gs_survey *survey, uint64_t start, uint64_t end, uint32_t stack, double weight) GS_CHECK_RESULT;
/*    Claim a thread's stack for WHO: SIZE bytes below TOP (SIZE 0: not known); if TOP is 0, a range around SP. */
int gs_account_survey_thread(struct gs_survey *survey, enum gs_claimant who, uint64_t top, uint64_t size, uint64_t sp) GS_CHECK_RESULT;
void gs_account_survey_settle_claims(struct gs_survey *survey);
/* 3. A heap block is or was at ADDRESS: the area or claim that contains it belongs to the heap. */
void gs_account_survey_block(struct gs_survey *survey, uint64_t address);
/* 4. Count pages. Closed areas (no access rights) are read only if fewer than RESIDENT bytes were found elsewhere. */
void gs_account_survey_count(struct gs_survey *survey, uint64_t resident);
/* 5. The sums in bytes. LIVE: bytes of the heap that are live. RESIDENT tells how many of the doubtful pages are resident.
 *    Also corrects the page counts of the mmap claims and of the areas. */
void gs_account_survey_sum(struct gs_survey *survey, uint64_t live, const struct gs_resident *resident, uint64_t part[GS_PARTS]);
/* The area that contains ADDRESS; NULL: none. */
struct gs_area *gs_account_survey_area(const struct gs_survey *survey, uint64_t address);
void gs_account_survey_fini(struct gs_survey *survey);

/* ---- sampled.c: what sampled mappings stand for. Pure ---------------------------------------------------------------- */

/* After gs_account_survey_sum: give the claims of sampled mappings their share of the pages that nobody claims, and move these in PART (bytes), from the heap
 * or wherever they were counted, to GS_ANONYMOUS. */
void gs_account_sampled_share(struct gs_survey *survey, uint64_t part[GS_PARTS]);

/* ---- areas.c: memory without a stack, by area ----------------------------------------------------------------------- */

struct gs_area_then { uint64_t start, end, private_bytes, file_bytes; };
struct gs_areas_then {  // all zero before; gs_free(area) after
    struct gs_area_then *area;
    size_t count, capacity;
    uint64_t rest;      // private bytes of all small areas together
};
/* Keep what SURVEY, which is summed up, knows of its areas. -ENOMEM. */
int gs_account_areas_keep(const struct gs_survey *survey, struct gs_areas_then *out) GS_CHECK_RESULT;
/* Put the areas of SURVEY into OUT: the largest into its list, all as samples into its mappings, with their growth since THEN
 * (NULL: not known). MAPS (NULL: not known) has the names of static variables. -ENOMEM. */
int gs_account_areas_list(const struct gs_survey *survey, const struct gs_areas_then *then, const struct gs_maps *maps,
                          struct gs_account *out) GS_CHECK_RESULT;

/* ---- stacks.c: threads' stacks ----------------------------------------------------------------------------------------- */

struct gs_stack_then { int tid; uint32_t pages; };
struct gs_stacks_then { // all zero before; gs_free(stack) after
    struct gs_stack_then *stack; // by tid
    size_t count;
};
/* Keep the size of each thread's stack. -ENOMEM. */
int gs_account_stacks_keep(const struct gs_survey *survey, struct gs_stacks_then *out) GS_CHECK_RESULT;
/* Put the threads whose stacks grew most since THEN (NULL: not known) into OUT, and all as samples into PROFILE. -ENOMEM. */
int gs_account_stacks_list(const struct gs_survey *survey, const struct gs_stacks_then *then, struct gs_profile *profile,
                           struct gs_account *out) GS_CHECK_RESULT;

/* ---- account.c --------------------------------------------------------------------------------------------------- */

/* The account at one moment: its parts, and the anonymous and shared memory that each stack had mapped. */
struct gs_account_mapped_by { uint32_t stack; uint64_t bytes, shared_bytes; };
struct gs_account_snapshot { // known is false: it could not be read, or (cut) not in time
    bool known, cut;
    uint64_t part[GS_PARTS];
    struct gs_account_mapped_by *by;
    size_t count;
    struct gs_areas_then areas;
    struct gs_stacks_then stacks;
};
