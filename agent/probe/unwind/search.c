/* search.c - finds the rbp of a sleeping thread, which /proc does not give, on its stack.
 *
 * If a frame just above a system call is found by rbp (code built without optimization, with -fno-omit-frame-pointer, or
 * with alloca), the walk of a sleeping thread stops there: /proc gives pc and sp only. But rbp points into the frame,
 * with the return address at a known distance; and before a return address there is a call:
 *
 *   sp ─▶ [ locals ] … rbp ─▶ [ rbp of the caller ][ return address ]     code: call F ◀─┘ must call the function F that
 *                                                                                           the frame belongs to
 *   call F, directly or through an entry of the PLT or GOT          the target is F: found; another function: not this one
 *   call *%rax, call *8(%rbx), …                                    perhaps: accepted if the walk from there reaches the
 *                                                                   outermost frame without meeting F again (leftovers of
 *                                                                   older calls out of F lead back to F)
 *
 * A word may be left over from a library that another thread is closing: memory that it points to is never read in place.
 * Who: the watcher, over a copy. Bounds: the pages that the copy may have. */
#include "probe/unwind/inside.h"
#include <string.h>
#include <unistd.h>

enum { LOOKED_AT = 8 }; // bytes of code before a return address
enum verdict { NO, PERHAPS, YES };

struct function {
    uintptr_t start, end;
};

static int32_t relative(const uint8_t *at)
{
    int32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* The 8 bytes at AT; 0 if they cannot be read. */
static uintptr_t word_at(uintptr_t at)
{
    uintptr_t value;
    return gs_probe_peek(getpid(), at, &value, sizeof value) ? value : 0;
}

/* The address that the PLT entry at TARGET jumps to: optional endbr64, then jmp *slot(%rip). 0: not a PLT entry. */
static uintptr_t through_plt(uintptr_t target)
{
    uint8_t code[16];
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    if (!gs_probe_peek(getpid(), target, code, sizeof code))
        return 0;
    size_t at = memcmp(code, endbr64, sizeof endbr64) == 0 ? sizeof endbr64 : 0;
    at += code[at] == 0xf2; // bnd
    if (code[at] != 0xff || code[at + 1] != 0x25)
        return 0;
    return word_at(target + at + 6 + (uintptr_t)(intptr_t)relative(code + at + 2));
}

/* Do the bytes before END hold a call through a register or memory: FF /2 with its operand, of the right length? */
static bool is_indirect_call(const uint8_t *end)
{
    for (int length = 2; length <= 7; length++) {
        const uint8_t *at = end - length;
        if (at[0] != 0xff || (at[1] >> 3 & 7) != 2)
            continue;
        int mod = at[1] >> 6, rm = at[1] & 7;
        int operand = mod == 3 ? 0 : (rm == 4) + (mod == 1 ? 1 : mod == 2 || (mod == 0 && rm == 5) ? 4 : 0);
        if (length == 2 + operand)
            return true;
    }
    return false;
}

/* Is the instruction before the return address RET a call of FUNCTION? */
static enum verdict calls_it(uintptr_t ret, const struct function *function)
{
    uint8_t code[LOOKED_AT];
    const uint8_t *end = code + LOOKED_AT;
    if (!gs_probe_peek(getpid(), ret - LOOKED_AT, code, sizeof code))
        return NO;
    if (end[-5] == 0xe8) {
        uintptr_t target = ret + (uintptr_t)(intptr_t)relative(end - 4);
        if (target == function->start || through_plt(target) == function->start)
            return YES;
    }
    if (end[-6] == 0xff && end[-5] == 0x15) // through the GOT
        return word_at(ret + (uintptr_t)(intptr_t)relative(end - 4)) == function->start ? YES : NO;
    return is_indirect_call(end) ? PERHAPS : NO;
}

/* As calls_it, and RET must also be code. Most words are not readable as code, and that check is cheaper, so it comes
 * first. */
static enum verdict calls(uintptr_t ret, const struct function *function)
{
    struct function caller;
    enum verdict verdict = calls_it(ret, function);
    return verdict != NO && gs_unwind_row_function(ret - 1, &caller.start, &caller.end) ? verdict : NO;
}

static bool recurs(const struct function *function, const uintptr_t *frames, uint32_t depth)
{
    for (uint32_t i = 0; i < depth; i++)
        if (frames[i] > function->start && frames[i] <= function->end)
            return true;
    return false;
}

/* Try BP for the frame at *AT. True: the walk is complete with it. */
static bool try_bp(uintptr_t bp, struct gs_row row, const struct gs_registers *at, struct gs_reach *reach,
                   const struct function *function, struct gs_thread_stack *out)
{
    struct gs_registers r = *at;
    bool cut;
    r.bp = bp;
    r.bp_known = true;
    if (!gs_unwind_walk_step(row, &r, reach))
        return false;
    enum verdict verdict = calls(r.pc, function);
    if (verdict == NO)
        return false;
    uint32_t more = gs_unwind_walk(&r, reach, out->frames + out->depth, GS_DEPTH_MAX - out->depth, &cut);
    if (cut || (verdict == PERHAPS && recurs(function, out->frames + out->depth, more)))
        return false;
    out->depth += more;
    out->cut = false;
    return true;
}

void gs_unwind_search(const struct gs_registers *at, struct gs_reach *reach, struct gs_thread_stack *out)
{
    uintptr_t inside = at->pc + at->exact - 1;
    struct gs_row row = gs_unwind_row_compile_unsure(inside);
    struct function function;
    if (at->bp_known || (row.kind != GS_ROW_BP && row.kind != GS_ROW_BP_DEREF) ||
        out->depth == GS_DEPTH_MAX || !gs_unwind_row_function(inside, &function.start, &function.end))
        return;
    uintptr_t word, bp = (at->sp + 7) & -(uintptr_t)8;
    for (; gs_reach_load(reach, bp, &word); bp += 8)
        if (try_bp(bp, row, at, reach, &function, out))
            return;
}
