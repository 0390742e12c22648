/* step.c - the oracle of the walk: victims are run an instruction at a time, and at every instruction our walk must find
 * the very frames that libunwind finds.
 *
 *   victim runs with the trap flag set ──▶ SIGTRAP after each instruction ──▶ on a stack of its own: gs_unwind_walk and
 *   libunwind, both from the interrupted registers ──▶ compared frame by frame, to the outermost
 *
 * What is stepped through is not only the victim's code but everything it calls: the C library, the dynamic linker's
 * lazy binding, the C++ runtime that unwinds an exception, the vDSO.
 *   step [VICTIM…]        prints a line a victim; exit status 1 if any frame differs
 *
 * Two kinds of difference are excused, counted and bounded:
 *   loading   the instruction is one of longjmp, setcontext and the like, whose unwind data say "all registers stand in the
 *             buffer that rdi points to". Nothing allocates there; our walk ends, marked as cut.
 *   lost      libunwind does not arrive at the program's outermost frame, as ours may: on the landing pad of an
 *             exception, while the C++ runtime overwrites the registers that it is about to load, and beyond the first
 *             frame of a makecontext stack. Then it is no oracle. */
#include "probe/unwind/inside.h"
#include "victims.h"
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { FRAMES = 128, TRAP_FLAG = 0x100, TOLD = 5, HANDLER_STACK = 1 << 20 };

static struct {
    volatile sig_atomic_t on;
    const char *victim;
    long instructions, frames, deepest, differ, loading, lost;
    uintptr_t outermost;
} now;

/* ---- the two walks ------------------------------------------------------------------------------------------------- */

static uint32_t by_ours(const ucontext_t *uc, uintptr_t *frames)
{
    const greg_t *r = uc->uc_mcontext.gregs;
    struct gs_registers registers = {.pc = (uintptr_t)r[REG_RIP],
                                     .sp = (uintptr_t)r[REG_RSP],
                                     .bp = (uintptr_t)r[REG_RBP],
                                     .bx = (uintptr_t)r[REG_RBX],
                                     .bp_known = true,
                                     .bx_known = true,
                                     .exact = true};
    struct gs_reach reach;
    bool cut;
    gs_unwind_reach_own_stack(&reach, registers.sp);
    return gs_unwind_walk(&registers, &reach, frames, FRAMES, &cut);
}

/* As ours has them: one past an address inside the call, or the interrupted instruction. */
static uint32_t by_libunwind(ucontext_t *uc, uintptr_t *frames)
{
    unw_cursor_t cursor;
    uint32_t depth = 0;
    unw_init_local2(&cursor, uc, UNW_INIT_SIGNAL_FRAME);
    bool exact = true;
    do {
        unw_word_t ip;
        unw_get_reg(&cursor, UNW_REG_IP, &ip);
        if (ip == 0)
            break;
        frames[depth++] = (uintptr_t)ip + exact;
        exact = unw_is_signal_frame(&cursor) > 0; // what it interrupted stands at its very instruction
    } while (depth < FRAMES && unw_step(&cursor) > 0);
    return depth;
}

/* ---- at every instruction ---------------------------------------------------------------------------------------------- */

static void tell(const char *who, const uintptr_t *frames, uint32_t depth)
{
    fprintf(stderr, "  %s:", who);
    for (uint32_t i = 0; i < depth; i++) {
        Dl_info info = {0};
        dladdr((void *)(frames[i] - 1), &info);
        fprintf(stderr, " %#lx(%s%+ld)", (unsigned long)frames[i], info.dli_sname ? info.dli_sname : "?",
                info.dli_saddr ? (long)(frames[i] - (uintptr_t)info.dli_saddr) : 0L);
    }
    fprintf(stderr, "\n");
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uintptr_t ours[FRAMES], theirs[FRAMES];
    (void)signal, (void)info;
    if (!now.on) {
        uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        return;
    }
    uint32_t our_depth = by_ours(uc, ours), their_depth = by_libunwind(uc, theirs);
    now.instructions++;
    now.frames += their_depth;
    if (now.instructions == 1)
        now.outermost = theirs[their_depth - 1];
    now.deepest = their_depth > now.deepest ? their_depth : now.deepest;
    if (our_depth == their_depth && memcmp(ours, theirs, our_depth * sizeof *ours) == 0)
        return;
    if (gs_unwind_row_compile(ours[0] - 1).kind == GS_ROW_UNSUPPORTED)
        now.loading++;
    else if (theirs[their_depth - 1] != now.outermost)
        now.lost++;
    else if (now.differ++ < TOLD) {
        fprintf(stderr, "%s: instruction %ld differs\n", now.victim, now.instructions);
        tell("ours     ", ours, our_depth);
        tell("libunwind", theirs, their_depth);
    }
}

static __attribute__((noinline)) void step_through(void (*victim)(void))
{
    now.on = 1;
    __asm__ volatile("pushfq; orq %0, (%%rsp); popfq" ::"i"(TRAP_FLAG) : "memory", "cc");
    victim();
    now.on = 0;
    __asm__ volatile("nop"); // the trap that finds it off
}

static void use_a_stack_of_its_own(void)
{
    stack_t stack = {.ss_size = HANDLER_STACK};
    stack.ss_sp = mmap(NULL, HANDLER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) || sigaction(SIGTRAP, &action, NULL))
        exit(2);
}

static bool wanted(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    long differ = 0, excused = 0, instructions = 0;
    use_a_stack_of_its_own();
    for (const struct victim *victim = victims; victim->name; victim++) {
        if (!wanted(argc, argv, victim->name))
            continue;
        memset(&now, 0, sizeof now);
        now.victim = victim->name;
        step_through(victim->run);
        printf("%-20s %8ld instructions, %8ld frames, at most %2ld deep: %ld differ; excused: %ld loading, %ld lost\n",
               victim->name, now.instructions, now.frames, now.deepest, now.differ, now.loading, now.lost);
        differ += now.differ;
        excused += now.loading + now.lost;
        instructions += now.instructions;
    }
    printf("%ld instructions, %ld differ, %ld excused\n", instructions, differ, excused);
    return differ != 0 || instructions == 0 || excused > instructions / 200;
}
