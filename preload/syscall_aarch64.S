/* syscall(number, ...): libuv closes its epoll instances by syscall(SYS_close, fd). All other numbers jump to the next
 * definition with every argument where it was. Async-signal-safe; errno is set only where there is no next
 * definition and the system call fails. */
#include <sys/syscall.h>

    .text
    .globl  syscall
    .type   syscall, %function
    .p2align 4
syscall:
    .cfi_startproc
    hint    #34                         /* bti c */
    cmp     x0, #SYS_close
    b.eq    .Lcloses
.Lgo_on:
    adrp    x16, looptap_next_syscall
    ldr     x16, [x16, #:lo12:looptap_next_syscall]
    cbz     x16, .Lraw                  /* before find_next(kSyscall): make the system call here */
    br      x16

.Lcloses:
    stp     x29, x30, [sp, #-80]!
    .cfi_def_cfa_offset 80
    .cfi_offset 29, -80
    .cfi_offset 30, -72
    mov     x29, sp
    stp     x0, x1, [sp, #16]
    stp     x2, x3, [sp, #32]
    stp     x4, x5, [sp, #48]
    stp     x6, x7, [sp, #64]
    mov     w0, w1
    bl      looptap_syscall_closes
    ldp     x0, x1, [sp, #16]
    ldp     x2, x3, [sp, #32]
    ldp     x4, x5, [sp, #48]
    ldp     x6, x7, [sp, #64]
    ldp     x29, x30, [sp], #80
    .cfi_restore 29
    .cfi_restore 30
    .cfi_def_cfa_offset 0
    b       .Lgo_on

.Lraw:
    uxtw    x8, w0
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    mov     x3, x4
    mov     x4, x5
    mov     x5, x6
    svc     #0
    cmn     x0, #4095
    b.cs    .Lfailed
    ret
.Lfailed:
    adrp    x1, :got:__errno_location
    ldr     x1, [x1, #:got_lo12:__errno_location]
    cbz     x1, .Lminus_one
    stp     x29, x30, [sp, #-32]!
    .cfi_def_cfa_offset 32
    .cfi_offset 29, -32
    .cfi_offset 30, -24
    str     x0, [sp, #16]
    blr     x1
    ldr     x1, [sp, #16]
    neg     w1, w1
    str     w1, [x0]
    ldp     x29, x30, [sp], #32
    .cfi_restore 29
    .cfi_restore 30
    .cfi_def_cfa_offset 0
.Lminus_one:
    mov     x0, #-1
    ret
    .cfi_endproc
    .size   syscall, .-syscall
    .weak   __errno_location
    .hidden looptap_next_syscall
    .hidden looptap_syscall_closes

    .section .note.GNU-stack,"",%progbits
