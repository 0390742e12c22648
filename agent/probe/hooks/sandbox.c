/* sandbox.c - syscall(3), taken over because it is how programs and libseccomp enter a sandbox: the C library has no function for
 * seccomp(2). prctl(2) does the same, in identity.c.
 *
 *   syscall(SYS_seccomp, SECCOMP_SET_MODE_…) ──▶ threads/sandbox.c ──▶ the real function
 *   every other call                         ──▶ a jump to the real function: nothing of ours is on the stack, as clone needs it
 *
 * In libgumshoe.so alone, on x86-64: elsewhere only prctl is seen. Who: host threads, and our own, in signal handlers, too.
 * Bounds: three instructions; for seccomp a few system calls. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#ifdef __x86_64__
/* The next definition of syscall; NULL until the library's constructors run: then the kernel is called directly. */
long (*gs_hooks_next_syscall)(long, ...) __attribute__((visibility("hidden"))) = NULL;

__attribute__((constructor)) static void find_next(void)
{
    gs_hooks_find_next(&gs_hooks_next_syscall, "syscall");
}

long gs_hooks_syscall_failed(long error) __attribute__((used));
long gs_hooks_syscall_failed(long error)
{
    errno = (int)-error;
    return -1;
}

long gs_hooks_direct_syscall(long number, long a, long b, long c) __attribute__((visibility("hidden")));

/* Without arguments it is a question whether the kernel has filters. */
long gs_hooks_seccomp(long number, long operation, long flags, long program) __attribute__((used));
long gs_hooks_seccomp(long number, long operation, long flags, long program)
{
    bool enters = operation == SECCOMP_SET_MODE_STRICT || (operation == SECCOMP_SET_MODE_FILTER && program);
    bool entered = enters && gs_hooks_enter_sandbox(flags & (long)SECCOMP_FILTER_FLAG_TSYNC);
    long result = gs_hooks_next_syscall ? gs_hooks_next_syscall(number, operation, flags, program)
                                        : gs_hooks_direct_syscall(number, operation, flags, program);
    if (entered && result == -1) // with other flags it is a descriptor
        gs_threads_sandbox_leave();
    return result;
}

__asm__(".pushsection .text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "cmpq $317, %rdi\n" // SYS_seccomp
        "je gs_hooks_seccomp\n"
        "movq gs_hooks_next_syscall(%rip), %rax\n"
        "testq %rax, %rax\n"
        "jz gs_hooks_direct_syscall\n"
        "jmp *%rax\n"
        ".cfi_endproc\n"
        ".size syscall, . - syscall\n"
        ".hidden gs_hooks_direct_syscall\n"
        ".type gs_hooks_direct_syscall, @function\n"
        "gs_hooks_direct_syscall:\n"
        ".cfi_startproc\n"
        "movq %rdi, %rax\n"
        "movq %rsi, %rdi\n"
        "movq %rdx, %rsi\n"
        "movq %rcx, %rdx\n"
        "movq %r8, %r10\n"
        "movq %r9, %r8\n"
        "movq 8(%rsp), %r9\n"
        "syscall\n"
        "cmpq $-4095, %rax\n"
        "jae 1f\n"
        "ret\n"
        "1: movq %rax, %rdi\n"
        "jmp gs_hooks_syscall_failed\n"
        ".cfi_endproc\n"
        ".size gs_hooks_direct_syscall, . - gs_hooks_direct_syscall\n"
        ".popsection\n");
#endif
