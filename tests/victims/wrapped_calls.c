/* wrapped_calls [long]: calls every function that the probe stands in front of, with good arguments and bad ones,
 * and prints what came of it: the result, errno, what was written where. With `long` it also waits for a second. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALL(expression)                                \
  do {                                                  \
    errno = 77;                                         \
    const long result = (long)(expression);             \
    printf("%s: %ld %d\n", #expression, result, errno); \
  } while (0)

static volatile sig_atomic_t handled;
static void handle(int number) {
  (void)number;
  handled++;
}

/* A signal that only the mask of the call lets through. */
static void interrupt_next_call(void) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  handled = 0;
  raise(SIGUSR1);
}

static void waits(int loop, int readable) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = 42}, got[4];
  sigset_t none;
  sigemptyset(&none);
  CALL(epoll_wait(-1, got, 4, 0));
  CALL(epoll_wait(readable, got, 4, 0));
  CALL(epoll_wait(loop, got, 0, 0));
  CALL(epoll_wait(loop, got, 4, 0));
  CALL(epoll_wait(loop, got, 4, 2));
  CALL(epoll_ctl(loop, EPOLL_CTL_ADD, readable, &event));
  memset(got, 0, sizeof got);
  CALL(epoll_wait(loop, got, 4, -1));
  printf("event %x of %d\n", (unsigned)got[0].events, (int)got[0].data.u64);
  CALL(epoll_pwait(loop, got, 4, -1, NULL));
  CALL(epoll_pwait(-1, got, 4, -1, &none));
  CALL(epoll_ctl(loop, EPOLL_CTL_DEL, readable, NULL));
  interrupt_next_call();
  CALL(epoll_pwait(loop, got, 4, 5000, &none));
  printf("handled %d\n", (int)handled);
#ifdef __GLIBC__
  struct timespec soon = {0, 2000000};
  CALL(epoll_pwait2(loop, got, 4, &soon, NULL));
  CALL(epoll_pwait2(-1, got, 4, &soon, &none));
  printf("timeout %ld %ld\n", (long)soon.tv_sec, soon.tv_nsec);
#endif
}

static void polls(int readable, int silent, int patient) {
  struct pollfd set[2] = {{.fd = readable, .events = POLLIN}, {.fd = silent, .events = POLLIN}};
  struct pollfd* volatile nowhere = (struct pollfd*)8;
  struct timespec soon = {0, 2000000}, later = {5, 0};
  sigset_t none;
  sigemptyset(&none);
  CALL(poll(set, 2, -1));
  printf("revents %x %x\n", (unsigned)set[0].revents, (unsigned)set[1].revents);
  CALL(poll(set + 1, 1, 0));
  if (patient) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    CALL(poll(set + 1, 1, 1002));
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("a second and more: %d\n",
           (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec >= 1002000000);
  }
  CALL(poll(NULL, 0, 1));
  CALL(poll(nowhere, 1, 0));
  CALL(ppoll(set, 2, NULL, NULL));
  CALL(ppoll(set + 1, 1, &soon, NULL));
  printf("timeout %ld %ld\n", (long)soon.tv_sec, soon.tv_nsec);
  interrupt_next_call();
  CALL(ppoll(set + 1, 1, &later, &none));
  printf("handled %d\n", (int)handled);
#ifdef __GLIBC__
  int __poll_chk(struct pollfd*, nfds_t, int, size_t);
  int __ppoll_chk(struct pollfd*, nfds_t, const struct timespec*, const sigset_t*, size_t);
  CALL(__poll_chk(set, 2, -1, sizeof set));
  CALL(__ppoll_chk(set + 1, 1, &soon, NULL, sizeof set[1]));
#endif
}

static void selects(int readable, int silent) {
  fd_set set;
  struct timeval soon = {0, 2000}, later = {5, 0};
  struct timespec nanosoon = {0, 2000000}, nanolater = {5, 0};
  sigset_t none;
  sigemptyset(&none);
  FD_ZERO(&set);
  FD_SET(readable, &set);
  FD_SET(silent, &set);
  CALL(select(silent + 1, &set, NULL, NULL, NULL));
  printf("set %d %d\n", !!FD_ISSET(readable, &set), !!FD_ISSET(silent, &set));
  CALL(select(silent + 1, &set, NULL, NULL, &later));
  printf("left %d\n", later.tv_sec == 4 && later.tv_usec > 0);
  FD_ZERO(&set);
  FD_SET(silent, &set);
  CALL(select(silent + 1, &set, NULL, NULL, &soon));
  printf("left %ld %ld\n", (long)soon.tv_sec, (long)soon.tv_usec);
  CALL(select(0, NULL, NULL, NULL, &soon));
  CALL(select(-1, NULL, NULL, NULL, &soon));
  FD_ZERO(&set);
  FD_SET(silent, &set);
  CALL(pselect(silent + 1, &set, NULL, NULL, &nanosoon, NULL));
  printf("timeout %ld %ld\n", (long)nanosoon.tv_sec, nanosoon.tv_nsec);
  FD_SET(silent, &set);
  interrupt_next_call();
  CALL(pselect(silent + 1, &set, NULL, NULL, &nanolater, &none));
  printf("handled %d\n", (int)handled);
}

static void births_and_ends(void) {
  CALL(epoll_create(0));
  CALL(epoll_create1(1));
  CALL(epoll_create(1));
  CALL(epoll_create1(EPOLL_CLOEXEC));
  CALL(dup2(20, 20));
  CALL(dup2(20, 21));
  CALL(dup2(0, 20));
  CALL(dup2(20, 20));
  CALL(dup2(0, -1));
  CALL(dup3(0, 21, O_CLOEXEC));
  CALL(dup3(0, 0, 0));
  CALL(fcntl(21, F_GETFD));
  CALL(close(21));
  CALL(close(21));
  CALL(close(-1));
#ifdef __GLIBC__
  CALL(close_range(5, 4, 0));
  CALL(close_range(20, 20, 0));
  CALL(fcntl(20, F_GETFD));
  CALL(dup2(0, 20));
  closefrom(20);
  CALL(fcntl(20, F_GETFD));
#endif
}

static void syscalls(void) {
  CALL(syscall(SYS_close, -1));
  CALL(syscall(SYS_close, dup(0)));
  CALL(syscall(SYS_read, -1, NULL, 0));
  CALL(syscall(SYS_getpid) == getpid());
  CALL(syscall(-1));
}

static void exits(int by_capital) {
  int status = 0;
  fflush(stdout);
  const pid_t child = fork();
  if (!child) {
    printf("never flushed");
    if (by_capital) _Exit(41);
    _exit(40);
  }
  waitpid(child, &status, 0);
  printf("exit status %d\n", WEXITSTATUS(status));
}

int main(int argc, char** argv) {
  (void)argv;
  int pipes[2][2];
  setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
  signal(SIGUSR1, handle);
  const int loop = epoll_create1(0);
  if (loop < 0 || pipe(pipes[0]) || pipe(pipes[1]) || write(pipes[0][1], "x", 1) != 1) return 1;
  waits(loop, pipes[0][0]);
  polls(pipes[0][0], pipes[1][0], argc > 1);
  selects(pipes[0][0], pipes[1][0]);
  births_and_ends();
  syscalls();
  exits(0);
  exits(1);
  return 0;
}
