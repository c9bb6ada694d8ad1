/* foreign_calls [i386|x32]: an x86-64 program with one loop, which between its waits also calls the kernel as programs
 * for i386 or x32 do: every number that means a wait, or the end of something, to x86-64, with its epoll instance
 * as the first argument. To i386 most of them mean something else, all of which fails or does no harm.
 * Prints its own record, and says how many waits of the foreign kind returned. Status 77: this kernel has no such calls. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/victims/own_record.h"

enum { WAITS = 100 };

#if defined(__x86_64__)

/* close, dup2, exit, exit_group, epoll_wait, epoll_pwait, dup3, io_uring_enter, epoll_pwait2 */
static const int numbers[] = {3, 33, 60, 231, 232, 281, 292, 426, 441};
enum {
  I386_EPOLL_WAIT = 256,
  I386_GETPID = 20,
  X32 = 0x40000000,
  X32_GETPID = X32 + 39,
  X32_EPOLL_WAIT = X32 + 232
};

static long call_i386(int number, int epoll, int most) {
  long result;
  asm volatile("int $0x80"
               : "=a"(result)
               : "0"((long)number), "b"((long)epoll), "c"(0l), "d"((long)most), "S"(0l), "D"(0l)
               : "memory", "r8", "r9", "r10", "r11");
  return (int)result;
}

static long call_x32(int number, int epoll, int most) {
  struct epoll_event event;
  long result;
  register long timeout asm("r10") = 0;
  asm volatile("syscall"
               : "=a"(result)
               : "0"((long)number), "D"((long)epoll), "S"(&event), "d"((long)most), "r"(timeout)
               : "rcx", "r11", "memory");
  return result;
}

/* Where the kernel serves no i386 programs (ia32_emulation=0, and guests of PVM whatever their configuration says),
 * `int $0x80` is a protection fault and not a call that fails. */
static void no_such_calls(int signal) {
  static const char text[] = "no such calls\n";
  (void)signal;
  if (write(1, text, sizeof text - 1) < 0) _exit(1);
  _exit(77);
}

static int has_calls(const char* kind) {
  int has = 1;
  signal(SIGSEGV, no_such_calls);
  if (!strcmp(kind, "i386")) has = call_i386(I386_GETPID, 0, 0) == getpid();
  if (!strcmp(kind, "x32")) has = call_x32(X32_GETPID, 0, 0) == getpid();
  signal(SIGSEGV, SIG_DFL);
  return has;
}

int main(int argc, char** argv) {
  const char* kind = argc > 1 ? argv[1] : "";
  struct own_loop loop = {.name = "main"};
  const int epoll = own_create();
  int foreign = 0;
  if (!has_calls(kind)) {
    puts("no such calls");
    return 77;
  }
  for (int i = 0; i < WAITS; i++) {
    own_wait(&loop, epoll, 1);
    if (!strcmp(kind, "i386")) {
      for (unsigned n = 0; n < sizeof numbers / sizeof *numbers; n++) call_i386(numbers[n], epoll, 0);
      foreign += call_i386(I386_EPOLL_WAIT, epoll, 1) == 0;
    }
    if (!strcmp(kind, "x32")) foreign += call_x32(X32_EPOLL_WAIT, epoll, 1) == 0;
  }
  own_close(&loop, epoll);
  own_print(&loop);
  printf("foreign %d\n", foreign);
  return 0;
}

#else

int main(void) {
  puts("no such calls");
  return 77;
}

#endif
