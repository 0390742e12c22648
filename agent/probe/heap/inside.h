/* probe/heap/inside.h - what the files of heap/ share: from a sampled block to the counters of its stack.
 * Context: host thread, inside malloc and free, unless it says otherwise. */
#pragma once
#include "probe/inside.h"

/* ---- how samples are drawn and weighed (sampling_math.c; pure) --------------------------------------------------------- */

/* The next gap in bytes (at least 1): exponential with mean DISTANCE, computed from the random bits BITS. */
uint64_t gs_heap_draw_gap(uint64_t bits, uint64_t distance);
/* How many allocations of SIZE bytes one sample stands for: 1 / (1 - e^(-size/distance)); both > 0.
 * Source: docs/sampling.md, "Undoing the bias". */
double gs_heap_sample_weight(uint64_t size, uint64_t distance);

/* ---- live samples, by address (live.c) --------------------------------------------------------------------------------- */

/* Remember that the block at PTR was sampled. False: no room nearby (the caller counts it). gs_heap_live_take undoes it. */
bool gs_heap_live_insert(const void *ptr, const struct gs_live *sample);
/* Bit set in the key of a block that the host reported (user_alloc.c); its address is the key without this bit. */
#define GS_NOTED ((uintptr_t)1 << 63)
/* The address in slot AT of the two tables, 0 to GS_LIVE_SLOTS - 1; 0: empty slot. Context: watcher. */
enum { GS_LIVE_SLOTS = (1 << 11) + (1 << 16) + 2 * 32 };
uintptr_t gs_heap_live_address(size_t at);
/* Times of birth in the table go round after 2^56 ns, 2.2 years. */
enum { GS_BORN_BITS = 56 };
/* How many doublings of the sampling distance the fill level of the tables asks for. */
unsigned gs_heap_live_crowding(void);

/* ---- where the heap is (heap_regions.c) ---------------------------------------------------------------------------------- */

void gs_heap_regions_add(const void *ptr);                   // a block was allocated here

/* ---- stacks (stacks.c) --------------------------------------------------------------------------------------------------- */

enum { GS_STACK_TABLE_FULL = 0 }; // the stack for samples when the table is full; it has no frames
/* The number of the stack FRAMES[0..DEPTH) with the set of labels LABELS, added if it is new. */
uint32_t gs_heap_stack_intern(const uintptr_t *frames, uint32_t depth, bool cut, uint32_t labels);
void gs_heap_stack_count_alloc(uint32_t stack, uint64_t objects, uint64_t bytes);
void gs_heap_stack_count_free(uint32_t stack, uint64_t objects, uint64_t bytes);

/* Count a block of STACK that was freed LIFETIME_NS after its allocation (lifetimes.c). */
void gs_heap_lifetimes_add(uint32_t stack, uint64_t lifetime_ns, uint64_t objects, uint64_t bytes);

/* ---- the whole heap (totals.c), and the alarm (wake.c) ------------------------------------------------------------------- */

/* Add BYTES to allocated and in use; returns the bytes in use. Subtract BYTES from in use. */
uint64_t gs_heap_totals_add(uint64_t bytes);
void gs_heap_totals_subtract(uint64_t bytes);

/* A sampled allocation of SIZE bytes; one that failed, and stands for OBJECTS (in units of 1 / (1 << GS_OBJECT_SHIFT))
 * (notable.c). */
void gs_heap_notable_alloc(size_t size, uint32_t stack);
void gs_heap_notable_failure(size_t size, uint32_t stack, uint64_t objects);

/* Wake the watcher if HEAP_IN_USE has reached the alarm's line. */
void gs_heap_alarm_check(uint64_t heap_in_use);
