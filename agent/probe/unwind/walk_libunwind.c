/* walk_libunwind.c - the stack walk by libunwind. It replaces walk.c, rows.c and the files they use.
 * Build: cmake -DGUMSHOE_UNWINDER=libunwind.
 *
 * For machines whose registers dwarf.h does not know, and for comparison (docs/unwinding.md): a hundred times slower, and it
 * takes locks (so tests/check/probe_symbols.sh exempts this file). The library then needs libunwind, whose
 * _Unwind_* and backtrace replace the host's.
 * From a copy of another thread's stack it finds only the first frame. Such a thread gets a signal and walks its own stack.
 * Who: as walk.c. Bounds: libunwind checks what it reads; 3 KiB of stack. */
#include "probe/unwind/inside.h"
#include <errno.h>
#include <string.h>
#include <ucontext.h>
#define UNW_LOCAL_ONLY
#include <libunwind.h>

void gs_unwind_walk_close_cache(void)
{
}

void gs_unwind_walk_open_cache(void)
{
    unw_flush_cache(unw_local_addr_space, 0, 0);
}

void gs_unwind_walk_after_fork(void)
{
}

static void fill_context(const struct gs_registers *r, ucontext_t *uc)
{
    memset(uc, 0, sizeof *uc);
#if defined(__x86_64__)
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)r->pc;
    uc->uc_mcontext.gregs[REG_RSP] = (greg_t)r->sp;
    uc->uc_mcontext.gregs[REG_RBP] = (greg_t)r->bp;
    uc->uc_mcontext.gregs[REG_RBX] = (greg_t)r->bx;
#elif defined(__aarch64__)
    uc->uc_mcontext.pc = r->pc;
    uc->uc_mcontext.sp = r->sp;
    uc->uc_mcontext.regs[29] = r->bp;
#else
#error "unknown machine: add the ucontext fields of pc, sp and the frame pointer"
#endif
}

static uint32_t walk_frames(unw_cursor_t *cursor, bool exact, uintptr_t *frames, uint32_t max, bool *cut)
{
    uint32_t depth = 0;
    for (int step_result = 1; depth < max && step_result > 0; step_result = unw_step(cursor)) {
        unw_word_t pc;
        if (unw_get_reg(cursor, UNW_REG_IP, &pc) < 0)
            return depth;
        if (pc == 0)
            break;
        frames[depth++] = (uintptr_t)pc + exact;
        exact = unw_is_signal_frame(cursor) > 0;
    }
    *cut = depth == max;
    return depth;
}

uint32_t gs_unwind_walk(struct gs_registers *r, struct gs_reach *reach, uintptr_t *frames, uint32_t max,
                        bool *cut)
{
    unw_cursor_t cursor;
    ucontext_t uc;
    int saved_errno = errno;
    uint32_t depth = 0;
    *cut = true;
    fill_context(r, &uc);
    if (reach->shift == 0 && unw_init_local2(&cursor, &uc, r->exact ? UNW_INIT_SIGNAL_FRAME : 0) == 0)
        depth = walk_frames(&cursor, r->exact, frames, max, cut);
    if (depth == 0 && max > 0)
        frames[depth++] = r->pc + r->exact;
    errno = saved_errno;
    return depth;
}

/* Not supported: libunwind does not walk copies of stacks. */
void gs_unwind_search(const struct gs_registers *registers, struct gs_reach *reach,
                      struct gs_thread_stack *out)
{
    (void)registers, (void)reach, (void)out;
}
