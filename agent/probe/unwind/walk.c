/* walk.c - the walk: from a frame to its caller, until there is none.
 *
 *   pc ──hash──▶ cache[8192] { check = pc ^ row ^ age, row }  ──miss──▶ gs_unwind_row_compile (rows.c)
 *   row ──▶ CFA = sp or bp + n ──▶ return address at CFA - 8, caller's bp and bx where the row says, sp = CFA
 *
 * All threads share the cache without a lock: an entry is two words, and a reader that sees halves of two
 * writes notices it by the check word, so a race costs a row and never gives a wrong one. Closing a library changes the
 * age, which is part of every check word: older rows match no more (hooks/dlclose.c). A walk reads the
 * age once, at its start: the libraries on its stack are not closed meanwhile.
 * Without unwind data (code made at run time) the walk follows the chain of frame pointers, as long as it rises. The result
 * is a guess, perhaps left over from a library that is being closed: from there on, and over the stacks of
 * other threads, unwind data is read by system calls (reach->unsure).
 * Who:    host threads in malloc and in the signal handler; the watcher over copies of other threads' stacks.
 * Bounds: reads only what gs_reach allows; each step must move up the stack; at most MAX frames. */
#include "probe/unwind/inside.h"

enum { CACHE_BITS = 13 };

struct cached {
    _Atomic uint64_t check, row;
};
static struct cached cache[1 << CACHE_BITS];
static _Atomic uint64_t age = 0x5bd1e9955bd1e995u;
static _Atomic uint32_t closing; // number of dlclose calls in progress: while above 0 the cache is not used

void gs_unwind_walk_close_cache(void)
{
    gs_thread.closing++;
    atomic_fetch_add_explicit(&closing, 1, memory_order_seq_cst);
}

static void change_age(void)
{
    atomic_fetch_add_explicit(&age, 0x9e3779b97f4a7c15u, memory_order_seq_cst);
}

void gs_unwind_walk_open_cache(void)
{
    change_age();
    atomic_fetch_sub_explicit(&closing, 1, memory_order_seq_cst);
    gs_thread.closing--;
}

/* dlclose calls of other threads do not continue in the child; those of this thread (a destructor forks) do. */
void gs_unwind_walk_after_fork(void)
{
    uint32_t mine = gs_thread.closing;
    if (atomic_load_explicit(&closing, memory_order_relaxed) == mine)
        return;
    change_age();
    atomic_store_explicit(&closing, mine, memory_order_relaxed);
}

/* cfa_offset: the low 32 bits, where one instruction fetches it; bp_offset and bx_offset in units of 8, 13 bits each; the
 * kind and what becomes of bp, 6 bits. */
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

static __attribute__((noinline)) uint64_t compile_into(struct cached *entry, uintptr_t past, uint64_t key,
                                                       const struct gs_reach *reach)
{
    uint64_t packed = compile(past, reach->unsure);
    atomic_store_explicit(&entry->check, key ^ packed, memory_order_relaxed);
    atomic_store_explicit(&entry->row, packed, memory_order_relaxed);
    return packed;
}

/* The packed row for the instruction that ends, or begins one byte, before PAST. The low bits of PAST are the hash
 * unchanged: each step to the next frame waits for this load. */
static inline uint64_t row_for(uintptr_t past, uint64_t this_age, const struct gs_reach *reach)
{
    struct cached *entry = &cache[past % (1 << CACHE_BITS)];
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    uint64_t packed = atomic_load_explicit(&entry->row, memory_order_relaxed);
    uint64_t key = past ^ this_age;
    return GS_LIKELY((check ^ packed) == key) ? packed : compile_into(entry, past, key, reach);
}

/* The three common kinds, as in a packed row. */
enum {
    SP_BP_SAME = GS_ROW_SP << 2 | GS_BP_SAME,
    SP_BP_SAVED = GS_ROW_SP << 2 | GS_BP_AT_CFA,
    BP_BP_SAVED = GS_ROW_BP << 2 | GS_BP_AT_CFA,
};
#define ANY_BX ((uint64_t)0x1fff << 45) // bx was saved, or is lost

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
        sp >= reach->high) { // the handler ran on a signal stack: the interrupted code has another stack
        if (!reach->grow)
            return false;
        gs_unwind_reach_cross(reach, sp);
    }
    *r = (struct gs_registers){
        .pc = pc, .sp = sp, .bp = bp, .bx = bx, .bp_known = true, .bx_known = true, .exact = true};
    return true;
}

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

/* Load a saved register. If its slot is below SP, the epilogue has already restored it: *VALUE is right as it is. */
static bool restore(struct gs_reach *reach, uintptr_t at, uintptr_t sp, uintptr_t *value)
{
    return at < sp || gs_reach_load(reach, at, value);
}

static bool step_row(struct gs_row row, struct gs_registers *r, struct gs_reach *reach)
{
    struct gs_registers up = *r;
    uintptr_t cfa;
    if (!cfa_of(row, r, reach, &cfa) || cfa <= r->sp || !gs_reach_load(reach, cfa - 8, &up.pc))
        return false;
    uintptr_t bp_at = (row.bp == GS_BP_AT_CFA ? cfa : r->bp) + (uintptr_t)(intptr_t)row.bp_offset;
    if (row.bp == GS_BP_AT_CFA)
        up.bp_known = (r->bp_known || bp_at >= r->sp) && restore(reach, bp_at, r->sp, &up.bp);
    else if (row.bp == GS_BP_AT_BP)
        up.bp_known = r->bp_known && gs_reach_load(reach, bp_at, &up.bp);
    else if (row.bp == GS_BP_LOST)
        up.bp_known = false;
    uintptr_t bx_at = cfa + (uintptr_t)(intptr_t)row.bx_offset;
    if (row.bx_offset == GS_BX_LOST)
        up.bx_known = false;
    else if (row.bx_offset != GS_BX_SAME)
        up.bx_known = (r->bx_known || bx_at >= r->sp) && restore(reach, bx_at, r->sp, &up.bx);
    up.sp = cfa;
    up.exact = false;
    *r = up;
    return true;
}

static bool step_frame_pointer(struct gs_registers *r, struct gs_reach *reach)
{
    uintptr_t pc, bp;
    if (!r->bp_known || r->bp < r->sp || !gs_reach_load(reach, r->bp, &bp) ||
        !gs_reach_load(reach, r->bp + 8, &pc) || bp <= r->bp)
        return false;
    *r = (struct gs_registers){.pc = pc, .sp = r->bp + 16, .bp = bp, .bp_known = true};
    reach->unsure = true; // bp may have been anything
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
    uintptr_t pc, sp, bp, bx, past; // past: one past an address inside the call
    bool bx_known;
};

/* Go up one frame by ROW, over the stack that is known to be readable: up to HIGH, stored at address + SHIFT. False: this
 * frame needs more than CFA = sp or bp + n in that memory. Inlined, so that *AT stays in machine registers. */
static inline __attribute__((always_inline)) bool step_fast(struct fast_registers *at, uint64_t row,
                                                            uintptr_t high, uintptr_t shift)
{
    unsigned kind = (unsigned)(row >> 58); // and what becomes of bp
    if (kind != SP_BP_SAME && kind != SP_BP_SAVED && kind != BP_BP_SAVED)
        return false;
    uintptr_t base = at->sp;
    if (kind == BP_BP_SAVED) {
        __asm__ volatile(
            ""); // a branch, which is predicted, and no conditional move, which would wait for both
        base = at->bp;
    }
    uintptr_t cfa = base + (uintptr_t)(intptr_t)(int32_t)row;
    if (cfa <= at->sp || cfa > high || cfa & 7)
        return false;
    uintptr_t above = *(const uintptr_t *)(cfa - 8 + shift);
    if (above == 0)
        return false;
    uintptr_t bp_at = cfa + (uintptr_t)bp_offset_of(row), bx_at = cfa + (uintptr_t)bx_offset_of(row);
    if (kind != SP_BP_SAME && bp_at >= cfa)
        return false;
    if (row & ANY_BX) {
        if (bx_at < at->sp || bx_at >= cfa)
            return false;
        at->bx = *(const uintptr_t *)(bx_at + shift);
        at->bx_known = true;
    }
    if (kind != SP_BP_SAME && bp_at >= at->sp) // else see restore()
        at->bp = *(const uintptr_t *)(bp_at + shift);
    at->pc = at->past = above;
    at->sp = cfa;
    return true;
}

/* Go up as long as step_fast can: nearly all frames. Not inlined: next to gs_unwind_walk_step the compiler would keep
 * less of this loop in registers. True: *R is at the last frame in FRAMES, whose row *PACKED needs gs_unwind_walk_step.
 * False: MAX frames. */
static __attribute__((noinline)) bool walk_fast(struct gs_registers *r, const struct gs_reach *reach,
                                                uintptr_t *frames, uint32_t max, uint32_t *depth,
                                                uint64_t this_age, uint64_t *packed)
{
    struct fast_registers at = {r->pc, r->sp, r->bp, r->bx, r->pc + r->exact, r->bx_known};
    const uintptr_t high = reach->high, shift = (uintptr_t)reach->shift;
    uint32_t count = *depth;
    uint64_t row = 0;
    bool needs_full_step = false;
    while (count < max && !needs_full_step) {
        frames[count++] = at.past;
        row = row_for(at.past, this_age, reach);
        needs_full_step = !step_fast(&at, row, high, shift);
    }
    *r = (struct gs_registers){.pc = at.pc,
                               .sp = at.sp,
                               .bp = at.bp,
                               .bx = at.bx,
                               .bp_known = true,
                               .bx_known = at.bx_known,
                               .exact = at.past != at.pc};
    *depth = count;
    *packed = row;
    return needs_full_step;
}

/* As walk_fast, but for the one frame of *R: used if bp is not known yet, or the cache is closed. */
static bool add_frame(const struct gs_registers *r, const struct gs_reach *reach, uintptr_t *frames,
                      uint32_t *depth, bool cached, uint64_t this_age, uint64_t *packed)
{
    uintptr_t past = r->pc + r->exact;
    frames[(*depth)++] = past;
    *packed = cached ? row_for(past, this_age, reach) : compile(past, reach->unsure);
    return true;
}

uint32_t gs_unwind_walk(struct gs_registers *r, struct gs_reach *reach, uintptr_t *frames, uint32_t max,
                        bool *cut)
{
    uint32_t depth = 0;
    uint64_t packed;
    bool cached = !atomic_load_explicit(&closing, memory_order_acquire);
    uint64_t this_age = atomic_load_explicit(&age, memory_order_acquire);
    *cut = true;
    while (depth < max) {
        if (!(cached && r->bp_known ? walk_fast(r, reach, frames, max, &depth, this_age, &packed)
                                    : add_frame(r, reach, frames, &depth, cached, this_age, &packed)))
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
