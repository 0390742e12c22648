/* crash_walk.c - the stack of a thread that crashed, and whether it has overflowed.
 *
 *   registers ──▶ walk, 256 frames at a time ──▶ the first GS_CRASH_INNER frames ─ (counted only) ─ the last GS_CRASH_OUTER
 *
 * An endless recursion fills 8 MiB with up to half a million frames: all are counted, the ends are recorded.
 * Nothing is taken for sane: the stack pointer may point anywhere, and unwind tables may be gone. So each page is checked
 * before it is read, and tables are read by system calls (reach->unsure).
 * Who: the signal handler of crash.c, one thread at a time. Bounds: DEPTH_MAX frames; 64 MiB of stack. */
#include "probe/threads/inside.h"
#include <string.h>

enum { DEPTH_MAX = 1 << 21, PAGE = 4096 };

static uintptr_t walked[GS_DEPTH_MAX]; // not on the signal stack

static void add_frame(struct gs_crash *note, uintptr_t frame)
{
    if (note->inner < GS_CRASH_INNER)
        note->frames[note->inner++] = frame;
    else // a ring until the end
        note->frames[GS_CRASH_INNER + (note->depth - GS_CRASH_INNER) % GS_CRASH_OUTER] = frame;
    note->depth++;
}

/* Put the ring of outer frames in order. */
static void settle_outer(struct gs_crash *note)
{
    uintptr_t ring[GS_CRASH_OUTER];
    uint64_t beyond = note->depth - note->inner;
    if (beyond <= GS_CRASH_OUTER) {
        note->outer = (uint32_t)beyond;
        return;
    }
    note->outer = GS_CRASH_OUTER;
    memcpy(ring, note->frames + GS_CRASH_INNER, sizeof ring);
    for (unsigned i = 0; i < GS_CRASH_OUTER; i++)
        note->frames[GS_CRASH_INNER + i] = ring[(beyond + i) % GS_CRASH_OUTER];
}

#if defined(__x86_64__)
static bool read_word(uintptr_t at, uintptr_t *value)
{
    return gs_unwind_reach_first_readable(at, 1) && !(at & 7) && (*value = *(const uintptr_t *)at, true);
}
#endif

/* The thread called an address where no code is: its return address is on top of the stack. */
static bool step_out_of_nowhere(struct gs_registers *registers, struct gs_crash *note)
{
#if defined(__x86_64__)
    uintptr_t caller;
    add_frame(note, registers->pc + 1);
    if (!read_word(registers->sp, &caller))
        return false;
    registers->pc = caller;
    registers->sp += sizeof caller;
    registers->exact = false;
    return true;
#else
    (void)registers, (void)note;
    return true;
#endif
}

static void walk_all(struct gs_registers *registers, struct gs_reach *reach, struct gs_crash *note)
{
    bool more = true;
    while (more) {
        struct gs_registers before = *registers;
        uint32_t count = gs_unwind_walk(registers, reach, walked, GS_DEPTH_MAX, &note->cut);
        for (uint32_t i = 0; i < count; i++)
            add_frame(note, walked[i]);
        more = note->cut && count == GS_DEPTH_MAX && note->depth < DEPTH_MAX && registers->sp > before.sp;
    }
}

/* Is the fault at ADDRESS just below the stack that SP is at the low end of? Frames may be large: ADDRESS may lie up to 1 MiB
 * above SP, and SP itself below the stack. */
static bool is_overflow(const struct gs_crash *note, uintptr_t sp)
{
    enum { RED_ZONE = 64 << 10, FRAME_MAX = 1 << 20, PAGES = (RED_ZONE + FRAME_MAX) / PAGE };
    uintptr_t address = note->address;
    if (note->signal != SIGSEGV || !note->has_address || address + RED_ZONE < sp || address > sp + FRAME_MAX)
        return false;
    uintptr_t first = gs_unwind_reach_first_readable(address < sp ? address : sp, PAGES);
    return first > address && sp < first + PAGE;
}

void gs_threads_crash_walk(const ucontext_t *context, struct gs_crash *note)
{
    struct gs_registers registers = gs_threads_registers_of(context);
    struct gs_reach reach;
    bool called_nowhere = note->has_address && note->address == registers.pc &&
                          (note->signal == SIGSEGV || note->signal == SIGBUS);
    note->cut = true;
    note->overflow = !called_nowhere && is_overflow(note, registers.sp);
    if (!gs_unwind_reach_crashed_stack(&reach, registers.sp)) {
        add_frame(note, registers.pc + 1);
        return;
    }
    if (!called_nowhere || step_out_of_nowhere(&registers, note))
        walk_all(&registers, &reach, note);
    settle_outer(note);
}
