/* bare_loop_i386, bare_loop_x32, bare_loop_x86_64: one epoll instance and 300 waits of 1 ms, in programs without a libc
 * that call the kernel each in its own way. Exit status 0 where all of them timed out. */

enum { WAITS = 300, TIMEOUT_MS = 1 };

#if defined(__i386__)
enum { EXIT = 1, EPOLL_WAIT = 256, EPOLL_CREATE1 = 329 };
#elif defined(__ILP32__)
enum { X32 = 0x40000000, EXIT = X32 + 60, EPOLL_WAIT = X32 + 232, EPOLL_CREATE1 = X32 + 291 };
#else
enum { EXIT = 60, EPOLL_WAIT = 232, EPOLL_CREATE1 = 291 };
#endif

struct event {
  unsigned words[3];
};

static long call(long number, long a, struct event* b, long c, long d) {
#if defined(__i386__)
  long result;
  asm volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
  return result;
#else
  long long result;
  register long long fourth asm("r10") = d;
  asm volatile("syscall"
               : "=a"(result)
               : "0"((long long)number), "D"((long long)a), "S"(b), "d"((long long)c), "r"(fourth)
               : "rcx", "r11", "memory");
  return (long)result;
#endif
}

__attribute__((noreturn, force_align_arg_pointer)) void _start(void) {
  struct event event;
  const long epoll = call(EPOLL_CREATE1, 0, 0, 0, 0);
  int timed_out = 0;
  for (int i = 0; i < WAITS; i++) timed_out += call(EPOLL_WAIT, epoll, &event, 1, TIMEOUT_MS) == 0;
  for (;;) call(EXIT, timed_out != WAITS, 0, 0, 0);
}
