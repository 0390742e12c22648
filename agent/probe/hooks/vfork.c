/* vfork.c - vfork, taken over so that hooks know when they run in its child, which shares our memory but has its own
 * descriptors.
 *
 *   vfork ──▶ gs_hooks_vfork_child = 1 ──▶ the system call ┬▶ child: returns; the thread-local flag is the parent's, and set
 *                                                          └▶ parent, once the child has exec'ed or ended: the flag as before
 *
 * The child must not overwrite the return address on the stack that it shares with its parent, so nothing of ours may be on
 * that stack: this is the C library's own vfork, in assembler, with the flag added. If the next vfork is not the C library's
 * (a sanitizer's is not), it is called instead, and the flag stays 0.
 * Shadow stacks: the child jumps back and does not return, which leaves the parent's entry as it is.
 * Other machines than x86-64 have no such hook: the flag stays 0 there.
 * In libgumshoe.so alone. Who: host threads; async-signal-safe. */
#include "probe/hooks/inside.h"
#include <dlfcn.h>
#include <errno.h>

_Thread_local uint8_t gs_hooks_vfork_child;

#ifdef __x86_64__
#pragma weak _dl_find_object

/* Where to jump to instead; NULL: nowhere. */
void *gs_hooks_other_vfork __attribute__((visibility("hidden"))) = NULL;

/* Are A and B in the same file? */
static bool are_together(void *a, void *b)
{
    struct dl_find_object in_a, in_b;
    return _dl_find_object && a && b && _dl_find_object(a, &in_a) == 0 && _dl_find_object(b, &in_b) == 0 &&
           in_a.dlfo_link_map == in_b.dlfo_link_map;
}

__attribute__((constructor)) static void find_other(void)
{
    void *next = gs_hooks_next_object_has("vfork");
    if (next && (gs_probe_cannot_serve() || !are_together(next, gs_hooks_next_object_has("_exit"))))
        gs_hooks_other_vfork = next;
}

int gs_hooks_vfork_failed(long error) __attribute__((used));
int gs_hooks_vfork_failed(long error)
{
    errno = (int)-error;
    return -1;
}

/* The kernel keeps all registers but rax, rcx and r11, in the parent, too. */
__asm__(".pushsection .text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "movq gs_hooks_other_vfork(%rip), %rax\n"
        "testq %rax, %rax\n"
        "jnz 3f\n"
        "movq gs_hooks_vfork_child@gottpoff(%rip), %rdx\n"
        "movzbl %fs:(%rdx), %esi\n" // a child of vfork may call vfork
        "movb $1, %fs:(%rdx)\n"
        "popq %rdi\n"
        ".cfi_adjust_cfa_offset -8\n"
        ".cfi_register %rip, %rdi\n"
        "movl $58, %eax\n" // SYS_vfork
        "syscall\n"
        "testl %eax, %eax\n"
        "jz 1f\n"
        "movb %sil, %fs:(%rdx)\n"
        "pushq %rdi\n"
        ".cfi_adjust_cfa_offset 8\n"
        ".cfi_rel_offset %rip, 0\n"
        "cmpl $-4095, %eax\n"
        "jae 2f\n"
        "ret\n"
        ".cfi_adjust_cfa_offset -8\n"
        ".cfi_register %rip, %rdi\n"
        "1: jmp *%rdi\n"
        ".cfi_adjust_cfa_offset 8\n"
        ".cfi_rel_offset %rip, 0\n"
        "2: movslq %eax, %rdi\n"
        "jmp gs_hooks_vfork_failed\n"
        "3: jmp *%rax\n"
        ".cfi_endproc\n"
        ".size vfork, . - vfork\n"
        ".globl __vfork\n"
        ".set __vfork, vfork\n"
        ".popsection\n");
#endif
