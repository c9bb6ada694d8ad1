/* no_libc HOW WAITS: a program that the loader starts and that is linked with no library at all, as Go's PIE
 * binaries are. It makes an epoll instance and waits on it so many times, for 1 ms each: by bare system calls
 * (`alone`), or by calling the functions of whatever library is preloaded (`called`). Prints how many waits
 * returned, and with `called` that a wait on no descriptor fails.
 */
#include <stdint.h>
#include <sys/syscall.h>

struct epoll_event;
int epoll_create1(int flags);
int epoll_wait(int fd, struct epoll_event* events, int most, int timeout_ms);
int close(int fd);

static long call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

static void print(long number) {
  char line[24];
  int at = sizeof line;
  line[--at] = '\n';
  do line[--at] = (char)('0' + number % 10);
  while (number /= 10);
  call(SYS_write, 1, (long)(line + at), (long)sizeof line - at, 0, 0, 0);
}

static int run(int argc, char** argv) {
  if (argc < 3) return 2;
  const int called = argv[1][0] == 'c';
  long waits = 0, returned = 0;
  for (const char* digit = argv[2]; *digit; digit++) waits = waits * 10 + *digit - '0';

  char events[64];
  const int loop = called ? epoll_create1(0) : (int)call(SYS_epoll_create1, 0, 0, 0, 0, 0, 0);
  if (loop < 0) return 1;
  for (; returned < waits; returned++) {
    const long result = called ? epoll_wait(loop, (struct epoll_event*)events, 1, 1)
                               : call(SYS_epoll_pwait, loop, (long)events, 1, 1, 0, 8);
    if (result) return 1;
  }
  print(returned);
  if (called) {
    if (epoll_wait(-1, (struct epoll_event*)events, 1, 1) != -1) return 1;
    if (close(loop) || close(loop) != -1) return 1;
    print(1);
  }
  return 0;
}

__attribute__((used)) static void begin(long* stack) {
  const int argc = (int)*stack;
  call(SYS_exit_group, run(argc, (char**)(stack + 1)), 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall begin\n");
#else
__asm__(".globl _start\n_start: mov x29, #0\nmov x0, sp\nbl begin\n");
#endif
