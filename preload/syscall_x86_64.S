/* syscall(number, ...): libuv closes its epoll instances by syscall(SYS_close, fd). All other numbers jump to the next
 * definition with every argument where it was, those on the stack included. Async-signal-safe; errno is set only where
 * there is no next definition and the system call fails. */
#include <sys/syscall.h>

    .text
    .globl  syscall
    .type   syscall, @function
    .p2align 4
syscall:
    .cfi_startproc
    endbr64
    cmpq    $SYS_close, %rdi
    je      .Lcloses
.Lgo_on:
    movq    looptap_next_syscall(%rip), %r11
    testq   %r11, %r11
    jz      .Lraw                       /* before find_next(kSyscall): make the system call here */
    jmpq    *%r11

.Lcloses:
    pushq   %rdi
    .cfi_adjust_cfa_offset 8
    pushq   %rsi
    .cfi_adjust_cfa_offset 8
    pushq   %rdx
    .cfi_adjust_cfa_offset 8
    pushq   %rcx
    .cfi_adjust_cfa_offset 8
    pushq   %r8
    .cfi_adjust_cfa_offset 8
    pushq   %r9
    .cfi_adjust_cfa_offset 8
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    movl    %esi, %edi
    call    looptap_syscall_closes
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq    %r9
    .cfi_adjust_cfa_offset -8
    popq    %r8
    .cfi_adjust_cfa_offset -8
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    popq    %rdx
    .cfi_adjust_cfa_offset -8
    popq    %rsi
    .cfi_adjust_cfa_offset -8
    popq    %rdi
    .cfi_adjust_cfa_offset -8
    jmp     .Lgo_on

.Lraw:
    movq    %rdi, %rax
    movq    %rsi, %rdi
    movq    %rdx, %rsi
    movq    %rcx, %rdx
    movq    %r8, %r10
    movq    %r9, %r8
    movq    8(%rsp), %r9
    syscall
    cmpq    $-4095, %rax
    jae     .Lfailed
    ret
.Lfailed:
    movq    __errno_location@GOTPCREL(%rip), %rdx
    testq   %rdx, %rdx
    jz      .Lminus_one
    pushq   %rax
    .cfi_adjust_cfa_offset 8
    call    *%rdx
    popq    %rdx
    .cfi_adjust_cfa_offset -8
    negl    %edx
    movl    %edx, (%rax)
.Lminus_one:
    movq    $-1, %rax
    ret
    .cfi_endproc
    .size   syscall, .-syscall
    .weak   __errno_location
    .hidden looptap_next_syscall
    .hidden looptap_syscall_closes

    .section .note.GNU-stack,"",@progbits
