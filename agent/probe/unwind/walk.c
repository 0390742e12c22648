/* walk.c - the stack walk: from each frame to its caller, up to the outermost frame.
 *
 *   pc ──hash──▶ cache[8192] { check = pc ^ row ^ generation, row }  ──miss──▶ gs_unwind_row_compile (rows.c)
 *   row ──▶ CFA = sp or bp + n ──▶ return address at CFA - 8, caller's bp and bx where the row says, sp = CFA
 *
 * All threads share the cache without a lock. An entry is two words. If a reader sees words of two different writes, the
 * check word does not match: a race costs a recomputed row, and never gives a wrong one. Closing a library changes the
 * generation, which is part of every check word, so older rows no longer match (hooks/dlclose.c). A walk reads the
 * generation once, at its start: the libraries on its stack are not closed during the walk.
 * Without unwind data (code made at run time) the walk follows the chain of frame pointers, as long as addresses rise. The
 * result is a guess and may point into a library that is being closed. From there on, and on the stacks of other threads,
 * unwind data is read by system calls (reach->unsure).
 * Who:    host threads in malloc and in the signal handler; the watcher over copies of other threads' stacks.
 * Bounds: reads only what gs_reach allows; each step must move up the stack; at most MAX frames. */
#include "probe/unwind/inside.h"

enum { CACHE_BITS = 13 };

struct cache_entry {
    _Atomic uint64_t check, row;
};
static struct cache_entry cache[1 << CACHE_BITS];
static _Atomic uint64_t generation = 0x5bd1e9955bd1e995u;
static _Atomic uint32_t
    dlclose_calls; // number of dlclose calls in progress: while above 0 the cache is not used

void gs_unwind_walk_close_cache(void)
{
    gs_thread.closing++;
    atomic_fetch_add_explicit(&dlclose_calls, 1, memory_order_seq_cst);
}

static void change_generation(void)
{
    atomic_fetch_add_explicit(&generation, 0x9e3779b97f4a7c15u, memory_order_seq_cst);
}

void gs_unwind_walk_open_cache(void)
{
    change_generation();
    atomic_fetch_sub_explicit(&dlclose_calls, 1, memory_order_seq_cst);
    gs_thread.closing--;
}

/* In the child, dlclose calls of other threads do not continue; those of this thread (a destructor forks) do. */
void gs_unwind_walk_after_fork(void)
{
    uint32_t own_calls = gs_thread.closing;
    if (atomic_load_explicit(&dlclose_calls, memory_order_relaxed) == own_calls)
        return;
    change_generation();
    atomic_store_explicit(&dlclose_calls, own_calls, memory_order_relaxed);
}

/* cfa_offset: the low 32 bits, so that one instruction extracts it. bp_offset and bx_offset: 13 bits each, in units of 8.
 * The rule for bp: 2 bits. The kind: 4 bits. */
static uint64_t pack(struct gs_row row)
{
    return (uint32_t)row.cfa_offset | ((uint64_t)(row.bp_offset / 8) & 0x1fff) << 32 |
           ((uint64_t)(row.bx_offset / 8) & 0x1fff) << 45 | (uint64_t)row.bp << 58 | (uint64_t)row.kind << 60;
}

static int64_t bp_offset_of(uint64_t packed)
{
    return (int64_t)(packed << 19) >> 51 << 3;
}

static int64_t bx_offset_of(uint64_t packed)
{
    return (int64_t)(packed << 6) >> 51 << 3;
}

static struct gs_row unpack(uint64_t packed)
{
    struct gs_row row = {
        .kind = (enum gs_row_kind)(packed >> 60),
        .bp = (enum gs_bp_kind)(packed >> 58 & 3),
        .cfa_offset = (int32_t)packed,
        .bp_offset = (int32_t)bp_offset_of(packed),
        .bx_offset = (int32_t)bx_offset_of(packed),
    };
    return row;
}

static uint64_t compile(uintptr_t past, bool unsure)
{
    return pack(unsure ? gs_unwind_row_compile_unsure(past - 1) : gs_unwind_row_compile(past - 1));
}

static __attribute__((noinline)) uint64_t compile_into(struct cache_entry *entry, uintptr_t past,
                                                       uint64_t key, const struct gs_reach *reach)
{
    uint64_t packed = compile(past, reach->unsure);
    atomic_store_explicit(&entry->check, key ^ packed, memory_order_relaxed);
    atomic_store_explicit(&entry->row, packed, memory_order_relaxed);
    return packed;
}

/* The packed row for address PAST - 1: the call before the return address PAST, or an interrupted instruction. The hash is
 * just the low bits of PAST, because each step to the next frame waits for this load. */
static inline uint64_t row_for(uintptr_t past, uint64_t walk_generation, const struct gs_reach *reach)
{
    struct cache_entry *entry = &cache[past % (1 << CACHE_BITS)];
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    uint64_t packed = atomic_load_explicit(&entry->row, memory_order_relaxed);
    uint64_t key = past ^ walk_generation;
    return GS_LIKELY((check ^ packed) == key) ? packed : compile_into(entry, past, key, reach);
}

/* The three common kinds, as in a packed row. */
enum {
    SP_BP_SAME = GS_ROW_SP << 2 | GS_BP_SAME,
    SP_BP_SAVED = GS_ROW_SP << 2 | GS_BP_AT_CFA,
    BP_BP_SAVED = GS_ROW_BP << 2 | GS_BP_AT_CFA,
};
#define BX_CHANGED ((uint64_t)0x1fff << 45) // these bits are not 0: bx was saved, or is lost

/* The kernel's frame below a signal handler: sp points at its struct ucontext, whose registers begin after uc_flags,
 * uc_link and uc_stack. */
static bool step_signal(struct gs_registers *r, struct gs_reach *reach)
{
    enum { GREGS = 40, RBP = 10, RBX = 11, RSP = 15, RIP = 16 };
    uintptr_t sp, pc, bp, bx;
    if (!gs_reach_load(reach, r->sp + GREGS + 8 * RIP, &pc) ||
        !gs_reach_load(reach, r->sp + GREGS + 8 * RSP, &sp) ||
        !gs_reach_load(reach, r->sp + GREGS + 8 * RBP, &bp) ||
        !gs_reach_load(reach, r->sp + GREGS + 8 * RBX, &bx))
        return false;
    if (sp < r->sp ||
        sp >= reach->high) { // the handler ran on a signal stack: the interrupted code used another stack
        if (!reach->grow)
            return false;
        gs_unwind_reach_cross(reach, sp);
    }
    *r = (struct gs_registers){
        .pc = pc, .sp = sp, .bp = bp, .bx = bx, .bp_known = true, .bx_known = true, .exact = true};
    return true;
}

/* Compute the CFA. False: it depends on a register that is not known, or on memory that may not be read. */
static bool cfa_of(struct gs_row row, const struct gs_registers *r, struct gs_reach *reach, uintptr_t *cfa)
{
    bool by_bp = row.kind == GS_ROW_BP || row.kind == GS_ROW_BP_DEREF, by_bx = row.kind == GS_ROW_BX;
    if ((by_bp && !r->bp_known) || (by_bx && !r->bx_known))
        return false;
    *cfa = (by_bp ? r->bp : by_bx ? r->bx : r->sp) + (uintptr_t)(intptr_t)row.cfa_offset;
    if (row.kind == GS_ROW_SP_DEREF || row.kind == GS_ROW_BP_DEREF)
        return gs_reach_load(reach, *cfa, cfa);
    return true;
}

/* Load a saved register from AT. If AT is below SP, the epilogue has already restored the register: *VALUE is right. */
static bool restore(struct gs_reach *reach, uintptr_t at, uintptr_t sp, uintptr_t *value)
{
    return at < sp || gs_reach_load(reach, at, value);
}

static bool step_row(struct gs_row row, struct gs_registers *r, struct gs_reach *reach)
{
    struct gs_registers caller = *r;
    uintptr_t cfa;
    if (!cfa_of(row, r, reach, &cfa) || cfa <= r->sp || !gs_reach_load(reach, cfa - 8, &caller.pc))
        return false;
    uintptr_t bp_at = (row.bp == GS_BP_AT_CFA ? cfa : r->bp) + (uintptr_t)(intptr_t)row.bp_offset;
    if (row.bp == GS_BP_AT_CFA)
        caller.bp_known = (r->bp_known || bp_at >= r->sp) && restore(reach, bp_at, r->sp, &caller.bp);
    else if (row.bp == GS_BP_AT_BP)
        caller.bp_known = r->bp_known && gs_reach_load(reach, bp_at, &caller.bp);
    else if (row.bp == GS_BP_LOST)
        caller.bp_known = false;
    uintptr_t bx_at = cfa + (uintptr_t)(intptr_t)row.bx_offset;
    if (row.bx_offset == GS_BX_LOST)
        caller.bx_known = false;
    else if (row.bx_offset != GS_BX_SAME)
        caller.bx_known = (r->bx_known || bx_at >= r->sp) && restore(reach, bx_at, r->sp, &caller.bx);
    caller.sp = cfa;
    caller.exact = false;
    *r = caller;
    return true;
}

static bool step_frame_pointer(struct gs_registers *r, struct gs_reach *reach)
{
    uintptr_t pc, bp;
    if (!r->bp_known || r->bp < r->sp || !gs_reach_load(reach, r->bp, &bp) ||
        !gs_reach_load(reach, r->bp + 8, &pc) || bp <= r->bp)
        return false;
    *r = (struct gs_registers){.pc = pc, .sp = r->bp + 16, .bp = bp, .bp_known = true};
    reach->unsure = true; // bp may not have been a frame pointer
    return true;
}

bool gs_unwind_walk_step(struct gs_row row, struct gs_registers *r, struct gs_reach *reach)
{
    switch (row.kind) {
    case GS_ROW_SP:
    case GS_ROW_BP:
    case GS_ROW_SP_DEREF:
    case GS_ROW_BP_DEREF:
    case GS_ROW_BX: return step_row(row, r, reach);
    case GS_ROW_SIGNAL: return step_signal(r, reach);
    case GS_ROW_NONE: return step_frame_pointer(r, reach);
    case GS_ROW_END:
    case GS_ROW_UNSUPPORTED: break;
    }
    return false;
}

/* The registers that change from frame to frame. */
struct fast_registers {
    uintptr_t pc, sp, bp, bx, past; // past - 1 is the address to look up
    bool bx_known;
};

/* Go up one frame by ROW, in memory that is known to be readable: up to HIGH, stored at address + SHIFT. False: this frame
 * needs other memory, or a rule other than CFA = sp or bp + n. Inlined, so that *FAST stays in machine registers. */
static inline __attribute__((always_inline)) bool step_fast(struct fast_registers *fast, uint64_t row,
                                                            uintptr_t high, uintptr_t shift)
{
    unsigned kind = (unsigned)(row >> 58); // with the rule for bp
    if (kind != SP_BP_SAME && kind != SP_BP_SAVED && kind != BP_BP_SAVED)
        return false;
    uintptr_t base = fast->sp;
    if (kind == BP_BP_SAVED) {
        __asm__ volatile(
            ""); // force a branch, which is predicted; a conditional move would wait for both values
        base = fast->bp;
    }
    uintptr_t cfa = base + (uintptr_t)(intptr_t)(int32_t)row;
    if (cfa <= fast->sp || cfa > high || cfa & 7)
        return false;
    uintptr_t return_address = *(const uintptr_t *)(cfa - 8 + shift);
    if (return_address == 0)
        return false;
    uintptr_t bp_at = cfa + (uintptr_t)bp_offset_of(row), bx_at = cfa + (uintptr_t)bx_offset_of(row);
    if (kind != SP_BP_SAME && bp_at >= cfa)
        return false;
    if (row & BX_CHANGED) {
        if (bx_at < fast->sp || bx_at >= cfa)
            return false;
        fast->bx = *(const uintptr_t *)(bx_at + shift);
        fast->bx_known = true;
    }
    if (kind != SP_BP_SAME && bp_at >= fast->sp) // else see restore()
        fast->bp = *(const uintptr_t *)(bp_at + shift);
    fast->pc = fast->past = return_address;
    fast->sp = cfa;
    return true;
}

/* Go up as long as step_fast can: nearly all frames. Not inlined: next to gs_unwind_walk_step the compiler would keep
 * less of this loop in registers. True: *R is at the last frame in FRAMES, whose row *PACKED needs gs_unwind_walk_step.
 * False: MAX frames. */
static __attribute__((noinline)) bool walk_fast(struct gs_registers *r, const struct gs_reach *reach,
                                                uintptr_t *frames, uint32_t max, uint32_t *depth,
                                                uint64_t walk_generation, uint64_t *packed)
{
    struct fast_registers fast = {r->pc, r->sp, r->bp, r->bx, r->pc + r->exact, r->bx_known};
    const uintptr_t high = reach->high, shift = (uintptr_t)reach->shift;
    uint32_t count = *depth;
    uint64_t row = 0;
    bool needs_full_step = false;
    while (count < max && !needs_full_step) {
        frames[count++] = fast.past;
        row = row_for(fast.past, walk_generation, reach);
        needs_full_step = !step_fast(&fast, row, high, shift);
    }
    *r = (struct gs_registers){.pc = fast.pc,
                               .sp = fast.sp,
                               .bp = fast.bp,
                               .bx = fast.bx,
                               .bp_known = true,
                               .bx_known = fast.bx_known,
                               .exact = fast.past != fast.pc};
    *depth = count;
    *packed = row;
    return needs_full_step;
}

/* As walk_fast, but adds only the frame of *R. Used if bp is not known, or a dlclose call is in progress. */
static bool add_frame(const struct gs_registers *r, const struct gs_reach *reach, uintptr_t *frames,
                      uint32_t *depth, bool use_cache, uint64_t walk_generation, uint64_t *packed)
{
    uintptr_t past = r->pc + r->exact;
    frames[(*depth)++] = past;
    *packed = use_cache ? row_for(past, walk_generation, reach) : compile(past, reach->unsure);
    return true;
}

uint32_t gs_unwind_walk(struct gs_registers *r, struct gs_reach *reach, uintptr_t *frames, uint32_t max,
                        bool *cut)
{
    uint32_t depth = 0;
    uint64_t packed;
    bool use_cache = !atomic_load_explicit(&dlclose_calls, memory_order_acquire);
    uint64_t walk_generation = atomic_load_explicit(&generation, memory_order_acquire);
    *cut = true;
    while (depth < max) {
        if (!(use_cache && r->bp_known
                  ? walk_fast(r, reach, frames, max, &depth, walk_generation, &packed)
                  : add_frame(r, reach, frames, &depth, use_cache, walk_generation, &packed)))
            break;
        struct gs_row row = unpack(packed);
        bool outermost = row.kind == GS_ROW_END;
        if (!outermost && !gs_unwind_walk_step(row, r, reach))
            break;
        if (outermost || r->pc == 0) { // the first frames of some threads have the return address 0
            *cut = false;
            break;
        }
    }
    return depth;
}
