/* search.c - finds the rbp of a sleeping thread, which /proc does not give, on its stack.
 *
 * If a frame just above a system call is found by rbp (code built without optimization, with -fno-omit-frame-pointer, or
 * with alloca), the walk of a sleeping thread stops there: /proc gives pc and sp only. But rbp points into the frame, at a
 * known distance from the return address. So each aligned stack address is tried as rbp; the instruction before the return
 * address must be a call:
 *
 *   sp ─▶ [ locals ] … rbp ─▶ [ rbp of the caller ][ return address ]     code: call F ◀─┘ must call F, the function of
 *                                                                                           the frame
 *   call F, directly or through an entry of the PLT or GOT          the target is F: accepted; another function: rejected
 *   call *%rax, call *8(%rbx), …                                    perhaps: accepted if the walk from there reaches the
 *                                                                   outermost frame without meeting F again (leftovers of
 *                                                                   older calls out of F lead back to F)
 *
 * A word may point into a library that another thread is closing: memory at its address is read by system calls only.
 * Who: the watcher, over a copy. Bounds: the pages that the copy may have. */
#include "probe/unwind/inside.h"
#include <string.h>
#include <unistd.h>

enum { CALL_CODE = 8 }; // bytes of code to read before a return address
enum verdict { NO, PERHAPS, YES };

struct function {
    uintptr_t start, end;
};

static int32_t read_rel32(const uint8_t *at)
{
    int32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* The 8 bytes at AT; 0 if they cannot be read. */
static uintptr_t peek_word(uintptr_t at)
{
    uintptr_t value;
    return gs_probe_peek(getpid(), at, &value, sizeof value) ? value : 0;
}

/* The address that the PLT entry at TARGET jumps to: optional endbr64, then jmp *slot(%rip). 0: not a PLT entry, or not
 * readable. */
static uintptr_t plt_jump_target(uintptr_t target)
{
    uint8_t code[16];
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    if (!gs_probe_peek(getpid(), target, code, sizeof code))
        return 0;
    size_t at = memcmp(code, endbr64, sizeof endbr64) == 0 ? sizeof endbr64 : 0;
    at += code[at] == 0xf2; // bnd
    if (code[at] != 0xff || code[at + 1] != 0x25)
        return 0;
    return peek_word(target + at + 6 + (uintptr_t)(intptr_t)read_rel32(code + at + 2));
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

/* Is the instruction before RETURN_ADDRESS a call of FUNCTION? */
static enum verdict verdict_of_bytes(uintptr_t return_address, const struct function *function)
{
    uint8_t code[CALL_CODE];
    const uint8_t *end = code + CALL_CODE;
    if (!gs_probe_peek(getpid(), return_address - CALL_CODE, code, sizeof code))
        return NO;
    if (end[-5] == 0xe8) {
        uintptr_t target = return_address + (uintptr_t)(intptr_t)read_rel32(end - 4);
        if (target == function->start || plt_jump_target(target) == function->start)
            return YES;
    }
    if (end[-6] == 0xff && end[-5] == 0x15) // through the GOT
        return peek_word(return_address + (uintptr_t)(intptr_t)read_rel32(end - 4)) == function->start ? YES
                                                                                                       : NO;
    return is_indirect_call(end) ? PERHAPS : NO;
}

/* As verdict_of_bytes, but RETURN_ADDRESS must also lie in a function that has unwind data. The bytes are checked first:
 * that is cheaper, and most words do not point at readable memory. */
static enum verdict verdict_of_call(uintptr_t return_address, const struct function *function)
{
    struct function caller;
    enum verdict verdict = verdict_of_bytes(return_address, function);
    return verdict != NO && gs_unwind_row_function(return_address - 1, &caller.start, &caller.end) ? verdict
                                                                                                   : NO;
}

/* Do FRAMES contain an address in FUNCTION? */
static bool frames_contain(const struct function *function, const uintptr_t *frames, uint32_t depth)
{
    for (uint32_t i = 0; i < depth; i++)
        if (frames[i] > function->start && frames[i] <= function->end)
            return true;
    return false;
}

/* Try BP as rbp of the frame at *REGISTERS. True: the walk from there reached the outermost frame, and *OUT is complete. */
static bool try_bp(uintptr_t bp, struct gs_row row, const struct gs_registers *registers,
                   struct gs_reach *reach, const struct function *function, struct gs_thread_stack *out)
{
    struct gs_registers r = *registers;
    bool cut;
    r.bp = bp;
    r.bp_known = true;
    if (!gs_unwind_walk_step(row, &r, reach))
        return false;
    enum verdict verdict = verdict_of_call(r.pc, function);
    if (verdict == NO)
        return false;
    uint32_t added = gs_unwind_walk(&r, reach, out->frames + out->depth, GS_DEPTH_MAX - out->depth, &cut);
    if (cut || (verdict == PERHAPS && frames_contain(function, out->frames + out->depth, added)))
        return false;
    out->depth += added;
    out->cut = false;
    return true;
}

void gs_unwind_search(const struct gs_registers *registers, struct gs_reach *reach,
                      struct gs_thread_stack *out)
{
    uintptr_t pc_inside = registers->pc + registers->exact - 1;
    struct gs_row row = gs_unwind_row_compile_unsure(pc_inside);
    struct function function;
    if (registers->bp_known || (row.kind != GS_ROW_BP && row.kind != GS_ROW_BP_DEREF) ||
        out->depth == GS_DEPTH_MAX || !gs_unwind_row_function(pc_inside, &function.start, &function.end))
        return;
    uintptr_t word, bp = (registers->sp + 7) & -(uintptr_t)8;
    for (; gs_reach_load(reach, bp, &word); bp += 8)
        if (try_bp(bp, row, registers, reach, &function, out))
            return;
}
