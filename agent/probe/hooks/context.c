/* context.c - swapcontext and setcontext, taken over to notice threads that run on small stacks of the program's own.
 *
 *   swapcontext(from, to) ──▶ is to's stack small? ──▶ the thread is marked: it gets no more signals (small_stack.c)
 *                         └─▶ jump to the real function, which saves the host's frame and none of ours
 *
 * In libgumshoe.so alone: a static program has no second name for these.
 * Who: host threads, in signal handlers too. Bounds: a thread's first switch to a small stack costs two or three system
 * calls, all others a comparison. */
#include "probe/hooks/inside.h"
#include <string.h>
#include <ucontext.h>

#if !defined(__x86_64__)
#error "jump to the real function with the arguments as they are"
#endif

typedef void *function;

/* Found when the library is loaded, like those of mmap.c: a switch may be made in a signal handler. */
static function real_swap, real_set;

static __attribute__((constructor)) void resolve(void)
{
    real_swap = gs_hooks_next_object_has("swapcontext");
    real_set = gs_hooks_next_object_has("setcontext");
}

static function leave_for(const ucontext_t *to, function real, const char *name)
{
    if (gs_is_small_stack(to->uc_stack.ss_size))
        gs_threads_small_stack_enter();
    return real ? real : gs_hooks_next_object_has(name);
}

/* Called by the hooks below: where to jump to. */
function gs_hooks_context_swap(const ucontext_t *to) __attribute__((used));
function gs_hooks_context_swap(const ucontext_t *to)
{
    return leave_for(to, real_swap, "swapcontext");
}

function gs_hooks_context_set(const ucontext_t *to) __attribute__((used));
function gs_hooks_context_set(const ucontext_t *to)
{
    return leave_for(to, real_set, "setcontext");
}

/* Define NAME: call ASK with the context in register TO; jump to the address that it returns. */
#define JUMP(name, ask, to)                            \
    __asm__(".pushsection .text\n"                     \
            ".globl " #name "\n"                       \
            ".type " #name ", @function\n" #name ":\n" \
            ".cfi_startproc\n"                         \
            "endbr64\n"                                \
            "pushq %rdi\n"                             \
            ".cfi_adjust_cfa_offset 8\n"               \
            "pushq %rsi\n"                             \
            ".cfi_adjust_cfa_offset 8\n"               \
            "subq $8, %rsp\n"                          \
            ".cfi_adjust_cfa_offset 8\n"               \
            "movq %" #to ", %rdi\n"                    \
            "call " #ask "\n"                          \
            "addq $8, %rsp\n"                          \
            ".cfi_adjust_cfa_offset -8\n"              \
            "popq %rsi\n"                              \
            ".cfi_adjust_cfa_offset -8\n"              \
            "popq %rdi\n"                              \
            ".cfi_adjust_cfa_offset -8\n"              \
            "jmp *%rax\n"                              \
            ".cfi_endproc\n"                           \
            ".size " #name ", . - " #name "\n"         \
            ".popsection\n")

JUMP(swapcontext, gs_hooks_context_swap, rsi);
JUMP(setcontext, gs_hooks_context_set, rdi);
