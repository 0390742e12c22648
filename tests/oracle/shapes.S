/* shapes.S - frames that no compiler makes, each with its unwind data by hand. */
        .text

/* A frame without a frame pointer that grows in two steps; rbp saved in its middle. */
        .type   grows, @function
grows:
        .cfi_startproc
        subq    $24, %rsp
        .cfi_adjust_cfa_offset 24
        movq    %rbp, 8(%rsp)
        .cfi_offset rbp, -24
        xorl    %ebp, %ebp
        subq    $4096, %rsp
        .cfi_adjust_cfa_offset 4096
        call    *%rdi
        addq    $4096, %rsp
        .cfi_adjust_cfa_offset -4096
        movq    8(%rsp), %rbp
        .cfi_restore rbp
        addq    $24, %rsp
        .cfi_adjust_cfa_offset -24
        ret
        .cfi_endproc
        .size   grows, . - grows

/* The frame is found by rbp, which points elsewhere than convention has it; state remembered and restored around an
 * early exit. */
        .type   elsewhere, @function
elsewhere:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        leaq    -32(%rsp), %rbp
        .cfi_def_cfa rbp, 48
        subq    $80, %rsp
        .cfi_remember_state
        testq   %rdi, %rdi
        jnz     1f
        addq    $80, %rsp
        .cfi_def_cfa rsp, 16
        popq    %rbp
        .cfi_restore rbp
        .cfi_def_cfa_offset 8
        ret
1:      .cfi_restore_state
        call    *%rdi
        addq    $80, %rsp
        .cfi_def_cfa rsp, 16
        popq    %rbp
        .cfi_restore rbp
        .cfi_def_cfa_offset 8
        ret
        .cfi_endproc
        .size   elsewhere, . - elsewhere

/* The CFA is stored on the stack itself: an expression (DW_CFA_def_cfa_expression: breg7 8, deref). */
        .type   stored, @function
stored:
        .cfi_startproc
        movq    %rsp, %rax
        addq    $8, %rax
        subq    $40, %rsp
        .cfi_adjust_cfa_offset 40
        movq    %rax, 8(%rsp)
        .cfi_escape 0x0f, 0x03, 0x77, 0x08, 0x06
        call    *%rdi
        addq    $40, %rsp
        .cfi_def_cfa rsp, 8
        ret
        .cfi_endproc
        .size   stored, . - stored

/* long through_shapes(long (*f)(long), long n): f(n) from below all of them. */
        .globl  through_shapes
        .type   through_shapes, @function
through_shapes:
        .cfi_startproc
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        movq    %rdi, %rbx
        movq    %rsi, %r12
        leaq    first(%rip), %rdi
        call    grows
        xorl    %edi, %edi
        call    elsewhere
        leaq    last(%rip), %rdi
        call    stored
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        ret
        .cfi_endproc
        .size   through_shapes, . - through_shapes

        .type   first, @function
first:
        .cfi_startproc
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        leaq    last(%rip), %rdi
        call    elsewhere
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   first, . - first

        .type   last, @function
last:
        .cfi_startproc
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        movq    %r12, %rdi
        call    *%rbx
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   last, . - last

        .globl  call_shapes
        .type   call_shapes, @function
call_shapes:
        .cfi_startproc
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        leaq    identity(%rip), %rdi
        movl    $5, %esi
        call    through_shapes
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   call_shapes, . - call_shapes

        .type   identity, @function
identity:
        .cfi_startproc
        movq    %rdi, %rax
        ret
        .cfi_endproc
        .size   identity, . - identity

        .section .note.GNU-stack, "", @progbits
