/* sandboxed waits|loops|breaks: waits twice, then forbids itself all but a few system calls on pain of death.
 *   waits   waits 4 times on; allowed is what that takes, and getpid
 *   loops   waits 4 times on, closes the instance, makes another and waits 4 times on that; allowed is what
 *           that takes, and getpid, gettid, prctl and madvise, which libcs and threads use
 *   breaks  does what is not allowed, and dies of it
 * Prints its own record. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define OWN_RECORD_OPENS_NOTHING
#include "tests/victims/own_record.h"

static struct own_loop loop = {.name = "main"};

static void wait_times(int epoll, int times) {
  for (int i = 0; i < times; i++) own_wait(&loop, epoll, 2);
}

static const int to_wait[] = {SYS_read,          SYS_write,        SYS_writev,      SYS_exit_group,
                              SYS_clock_gettime, SYS_rt_sigreturn, SYS_epoll_pwait,
#ifdef SYS_epoll_wait
                              SYS_epoll_wait,
#endif
                              SYS_getpid};
static const int to_make_loops[] = {SYS_close, SYS_epoll_create1, SYS_gettid, SYS_prctl, SYS_madvise};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void add(struct sock_fprog* program, uint16_t code, uint32_t value, uint8_t if_true,
                uint8_t if_false) {
  program->filter[program->len++] = (struct sock_filter){code, if_true, if_false, value};
}

static void allow(struct sock_fprog* program, const int* numbers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], 0, 1);
    add(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  }
}

static void forbid_the_rest(int may_make_loops) {
  struct sock_filter filter[64];
  struct sock_fprog program = {0, filter};
  add(&program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
  allow(&program, to_wait, COUNT(to_wait));
  if (may_make_loops) allow(&program, to_make_loops, COUNT(to_make_loops));
  add(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
    own_fail("PR_SET_SECCOMP");
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  static char buffer[BUFSIZ];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer); /* stdio would ask what stdout is, and allocate */
  int epoll = own_create();
  wait_times(epoll, 2);
  forbid_the_rest(!strcmp(argv[1], "loops"));
  if (!strcmp(argv[1], "breaks")) syscall(SYS_getppid);
  wait_times(epoll, 4);
  if (!strcmp(argv[1], "loops")) {
    own_close(&loop, epoll);
    epoll = own_create();
    wait_times(epoll, 4);
  }
  own_hold("sandboxed");
  own_print(&loop);
  return 0;
}
