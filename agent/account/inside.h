/* account/inside.h - what the files of account/ share.
 *
 *   account.c   asks the probe, /proc and ourselves ──▶ survey.c   whose is which range (pure) ──▶ pages.c   what is resident
 */
#pragma once
#include "account/account.h"

enum { GS_PAGE = 4096 };

/* ---- pages.c: present pages, out of /proc/PID/pagemap ------------------------------------------------------------ */

struct gs_page_counts {
    uint64_t file;      // of a file or of shared memory
    uint64_t anonymous;
    uint64_t doubtful;  // of the anonymous: mapped more than once (after a fork), or the zero page, which is not resident
};
struct gs_pages {
    int fd;             // of the pagemap
    int64_t until_ns;   // CLOCK_MONOTONIC: no step begins later
    bool cut;           // it was that late
    int error;          // -errno of a read that failed; nothing is read after it
};
/* Add the present pages of START to END to *OUT. Each step reads 2 MiB of address space, and the kernel holds the memory
 * map's lock for that step alone. */
void gs_account_pages_count(struct gs_pages *pages, uint64_t start, uint64_t end, struct gs_page_counts *out);

/* ---- survey.c: whose memory is it? Pure, but for the pagemap's descriptor ------------------------------------------ */

enum gs_area_kind { GS_AREA_UNCOUNTED, GS_AREA_FILE, GS_AREA_SHARED, GS_AREA_ANONYMOUS, GS_AREA_HEAP, GS_AREA_STACK };
struct gs_area {
    struct gs_maps_line line;
    enum gs_area_kind kind;
};
/* A range of which we know more than the map tells. Who claims first has it: the agent before stacks before mmap's. */
enum gs_claimant { GS_CLAIM_AGENT, GS_CLAIM_STACK, GS_CLAIM_MAPPED, GS_CLAIMANTS };
struct gs_claim {
    uint64_t start, end;
    enum gs_account_part part;
    uint32_t stack;     // of those that mmap's callers have
    uint64_t pages, doubtful;
};
struct gs_claims { struct gs_claim *claim; size_t count, capacity; };
struct gs_survey {      // all zero before; gs_account_survey_fini after
    struct gs_area *area;
    size_t areas, area_capacity;
    struct gs_claims claims[GS_CLAIMANTS];
    uint64_t pages[GS_PARTS], doubtful[GS_PARTS]; // the heap's: all under GS_HEAP_KEPT
    uint64_t agent_files; // of the agent's: pages of a file
    struct gs_pages source;
};
/* What the kernel counts as resident, in bytes (of /proc/PID/status). */
struct gs_resident { uint64_t all, anonymous, file, shared; };
struct gs_resident gs_account_resident_read(const char *status);

/* In this order: */
/* 1. The areas of MAPS (as /proc/PID/maps, which must outlive the survey); MOUNTS (/proc/PID/mountinfo, or "") tells which
 *    devices are memory. -ENOMEM. */
int gs_account_survey_map(struct gs_survey *survey, const char *maps, size_t length, const char *mounts) GS_CHECK_RESULT;
/* 2. Who claims what; then gs_account_survey_settle_claims, once. */
int gs_account_survey_claim(struct gs_survey *survey, enum gs_claimant who, uint64_t start, uint64_t end, uint32_t stack) GS_CHECK_RESULT;
/*    A thread's stack, for WHO: below TOP, SIZE bytes of it (0: not known), or around SP where TOP is 0. */
int gs_account_survey_thread(struct gs_survey *survey, enum gs_claimant who, uint64_t top, uint64_t size, uint64_t sp) GS_CHECK_RESULT;
void gs_account_survey_settle_claims(struct gs_survey *survey);
/* 3. A block of the heap is or was at ADDRESS: what holds it is the heap's. */
void gs_account_survey_block(struct gs_survey *survey, uint64_t address);
/* 4. Count, until RESIDENT bytes are found where they should be; else where they seldom are as well. */
void gs_account_survey_count(struct gs_survey *survey, uint64_t resident);
/* 5. The sums in bytes: LIVE of the heap are live; RESIDENT tells how many of the doubtful pages are real. The sums of the
 *    mmap's claims stand in their pages. */
void gs_account_survey_sum(struct gs_survey *survey, uint64_t live, const struct gs_resident *resident, uint64_t part[GS_PARTS]);
/* The area that holds ADDRESS; NULL: none does. */
struct gs_area *gs_account_survey_area(const struct gs_survey *survey, uint64_t address);
void gs_account_survey_fini(struct gs_survey *survey);

/* ---- account.c --------------------------------------------------------------------------------------------------- */

/* What the account was at some moment: its parts, and the anonymous memory that each stack had mapped. */
struct gs_account_mapped_by { uint32_t stack; uint64_t bytes; };
struct gs_account_snapshot { // not known: it could not be read, or (cut) not in time
    bool known, cut;
    uint64_t part[GS_PARTS];
    struct gs_account_mapped_by *by;
    size_t count;
};
