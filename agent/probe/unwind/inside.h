/* probe/unwind/inside.h - what walk.c, reach.c, rows.c and search.c share. (The files that read .eh_frame also use dwarf.h.)
 * Context: host threads, in the sampler and in the signal handler; the watcher, over copies of stacks. */
#pragma once
#include "probe/inside.h"

/* ---- rows (rows.c, frame_entry.c) ---------------------------------------------------------------------------------- */

/* How to get from a frame to its caller. A packed row is one word, so that one check word can protect a cache entry. */
enum gs_row_kind {
    GS_ROW_NONE,     // no unwind data here
    GS_ROW_END,      // the outermost frame: its return address is undefined
    GS_ROW_SIGNAL,   // the kernel's signal frame: it holds all registers
    GS_ROW_SP,       // CFA = sp + cfa_offset
    GS_ROW_BP,       // CFA = bp + cfa_offset
    GS_ROW_SP_DEREF, // CFA = *(sp + cfa_offset)
    GS_ROW_BP_DEREF, // CFA = *(bp + cfa_offset)
    GS_ROW_BX,       // CFA = bx + cfa_offset
    GS_ROW_UNSUPPORTED, // unwind data that is damaged, or of a kind that we do not support
};
enum gs_bp_kind { GS_BP_SAME, GS_BP_AT_CFA, GS_BP_AT_BP, GS_BP_LOST }; // caller's bp: unchanged, *(CFA + off), *(bp + off)
enum { GS_BX_SAME = 0, GS_BX_LOST = -32768 };                          // else the caller's bx is *(CFA + bx_offset)
struct gs_row {                                                        // (pack and unpack: walk.c)
    enum gs_row_kind kind;
    enum gs_bp_kind bp;
    int32_t cfa_offset, bp_offset, bx_offset; // the last two: multiples of 8 above GS_BX_LOST
};
/* Compute the row for PC from the .eh_frame of the object that contains it. No cache, no lock, no allocation. */
struct gs_row gs_unwind_row_compile(uintptr_t pc);
/* The same, for an object that another thread may unmap meanwhile: its tables are read by system calls. May change errno. */
struct gs_row gs_unwind_row_compile_unsure(uintptr_t pc);
/* The range of code that PC's unwind entry covers, read by system calls (frame_entry.c). False: no entry. */
bool gs_unwind_row_function(uintptr_t pc, uintptr_t *start, uintptr_t *end);

/* ---- single steps of a walk (walk.c, reach.c) ---------------------------------------------------------------------------- */

/* Load the word at address AT. False: AT is not a multiple of 8, or the walk may not read there. */
static inline bool gs_reach_load(struct gs_reach *reach, uintptr_t at, uintptr_t *value)
{
    if (GS_UNLIKELY(at & 7 || at < reach->low))
        return false;
    while (GS_UNLIKELY(at + 8 > reach->high))
        if (!reach->grow || at >= reach->end || !reach->grow(reach))
            return false;
    *value = *(const uintptr_t *)(at + (uintptr_t)reach->shift);
    return true;
}
/* One step of a walk: from a frame with row ROW to its caller. False: the caller cannot be found. */
bool gs_unwind_walk_step(struct gs_row row, struct gs_registers *registers, struct gs_reach *reach);
/* The walk left a signal handler that ran on another stack: continue at SP. The limit on page checks goes on counting. */
void gs_unwind_reach_cross(struct gs_reach *reach, uintptr_t sp);
