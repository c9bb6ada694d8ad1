/* bad_arguments: calls every function that the probe stands in front of with arguments that make no sense, or point
 * nowhere, each in a child of its own, and prints what came of it: the result and errno, or the signal that killed the
 * child. Where libc itself reads what a bad pointer points at, that is a signal without the probe, too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
int __poll_chk(struct pollfd*, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd*, nfds_t, const struct timespec*, const sigset_t*, size_t);
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* In a child: what the call returns, and errno. */
#define TRY(expression)                                                \
  do {                                                                 \
    const pid_t child = fork();                                        \
    if (!child) {                                                      \
      alarm(10);                       /* rather than wait for ever */ \
      epoll_wait(ready, events, 1, 0); /* the child is measured */     \
      errno = 77;                                                      \
      const long result = (long)(expression);                          \
      const int error = errno;                                         \
      printf("%s: %s%ld %d", #expression, given, result, error);       \
      printf(timerisset(&left) ? " some left\n" : "\n");               \
      fflush(stdout);                                                  \
      _exit(0);                                                        \
    }                                                                  \
    ended(#expression, given, child);                                  \
  } while (0)

static char given[64];      /* which bad thing an argument is, for the printed line */
static struct timeval left; /* what select() leaves in its timeout */

static void ended(const char* what, const char* which, pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("%s: %ssignal %d\n", what, which, WTERMSIG(status));
  if (WIFEXITED(status) && WEXITSTATUS(status)) printf("%s: %sexit %d\n", what, which, WEXITSTATUS(status));
  fflush(stdout);
}

/* An instance with an event that is ready, one without, a readable pipe. */
static int ready, silent, readable;

static struct epoll_event events[4];
static struct pollfd polled[256]; /* as many as the limit of descriptors allows */
static fd_set set;

static const struct {
  const char* name;
  void* at; /* NULL: filled in by main() */
} kPointers[] = {{"null", NULL},
                 {"unmapped", (void*)8},
                 {"noncanonical", (void*)0x8000000000000000ul},
                 {"last byte", (void*)~0ul}};

static char* pages; /* the first may only be read, the second not at all */

static void waits_with_pointer(const char* name, void* at) {
  static const struct timespec now = {0, 0};
  snprintf(given, sizeof given, "%s: ", name);
  TRY(epoll_wait(ready, at, 1, 0));
  TRY(epoll_pwait(ready, at, 1, 0, NULL));
  TRY(epoll_pwait(ready, events, 1, 0, at));
  TRY(epoll_pwait(silent, events, 1, 1, at));
#ifdef __GLIBC__
  TRY(epoll_pwait2(ready, at, 1, NULL, NULL));
  if (at) TRY(epoll_pwait2(silent, events, 1, at, NULL));
  TRY(epoll_pwait2(ready, events, 1, at, NULL));
  TRY(epoll_pwait2(ready, events, 1, NULL, at));
  TRY(__poll_chk(at, 1, 0, 8));
  TRY(__ppoll_chk(polled, 1, at, NULL, sizeof polled));
  TRY(__ppoll_chk(polled, 2, at, NULL, sizeof *polled));
#endif
  TRY(syscall(SYS_epoll_pwait2, ready, events, 1, at, NULL, 8));
  TRY(poll(at, 1, 0));
  TRY(poll(at, 0, 0));
  TRY(ppoll(at, 1, &now, NULL));
  TRY(ppoll(polled, 1, at, NULL));
  TRY(ppoll(polled, 1, NULL, at));
  TRY(select(readable + 1, at, NULL, NULL, &left));
  TRY(select(readable + 1, &set, NULL, NULL, at));
  TRY(select(readable + 1, NULL, at, NULL, &left));
  TRY(pselect(readable + 1, at, NULL, NULL, &now, NULL));
  TRY(pselect(readable + 1, &set, NULL, NULL, at, NULL));
  TRY(pselect(readable + 1, &set, NULL, NULL, NULL, at));
}

static void waits_with_timeout(const char* name, struct timespec timeout) {
  static char unaligned[sizeof timeout + 1];
  memcpy(unaligned + 1, &timeout, sizeof timeout);
  struct timespec* at = (struct timespec*)(void*)(unaligned + 1);
  snprintf(given, sizeof given, "%s: ", name);
#ifdef __GLIBC__
  TRY(epoll_pwait2(ready, events, 1, &timeout, NULL));
  TRY(epoll_pwait2(ready, events, 1, at, NULL));
  TRY(epoll_pwait2(-1, events, 1, &timeout, NULL));
  TRY(__ppoll_chk(polled, 1, at, NULL, sizeof polled));
#endif
  TRY(ppoll(polled, 1, &timeout, NULL));
  TRY(ppoll(polled, 1, at, NULL));
  TRY(pselect(readable + 1, &set, NULL, NULL, &timeout, NULL));
  TRY(pselect(readable + 1, &set, NULL, NULL, at, NULL));
  left.tv_sec = timeout.tv_sec;
  left.tv_usec = timeout.tv_nsec;
  TRY(select(-1, &set, NULL, NULL, &left));
  if (timeout.tv_sec < 0 || timeout.tv_nsec < 0) TRY(select(readable + 1, &set, NULL, NULL, &left));
  memset(&left, 0, sizeof left);
}

static void waits_with_number(int number) {
  snprintf(given, sizeof given, "%d: ", number);
  TRY(epoll_wait(number, events, 4, 0));
  TRY(epoll_wait(ready, events, number, 0));
  TRY(epoll_wait(ready, events, 4, number));
  TRY(epoll_pwait(number, events, 4, 0, NULL));
  TRY(epoll_pwait(ready, events, number, 0, NULL));
#ifdef __GLIBC__
  TRY(epoll_pwait2(number, events, 4, NULL, NULL));
  TRY(epoll_pwait2(ready, events, number, NULL, NULL));
  TRY(__poll_chk(polled, 2, 0, sizeof *polled));
#endif
  TRY(poll(polled, 1, number));
  TRY(poll(polled, (nfds_t)number, 0));
  if (number) TRY(ppoll(polled, (nfds_t)number, NULL, NULL));
  if (number < 0) TRY(select(number, &set, NULL, NULL, NULL));
  if (number < 0) TRY(pselect(number, &set, NULL, NULL, NULL, NULL));
}

static void descriptors_with_number(int number) {
  snprintf(given, sizeof given, "%d: ", number);
  if (number <= 0) TRY(epoll_create(number));
  TRY(epoll_create1(number | 1));
  TRY(close(number));
#ifdef __GLIBC__
  TRY(close_range((unsigned)number, 3, 0));
  TRY(close_range(3, 3, number));
  if (number > 2) TRY((closefrom(number), 0));
#endif
  TRY(dup2(number, ready));
  TRY(dup2(ready, number));
  TRY(dup2(number, number));
  TRY(dup3(number, ready, 0));
  TRY(dup3(ready, number, 0));
  TRY(dup3(ready, silent, number));
  TRY(dup3(ready, ready, 0));
  TRY(syscall(number, number, number, number, number, number, number));
  TRY(syscall(SYS_close, number));
  TRY((_exit(number), 0));
  TRY((_Exit(number), 0));
}

int main(void) {
  int both[2];
  /* No core files, and numbers that are the same wherever this runs. */
  const struct rlimit no_core = {0, 0}, files = {256, 256};
  setrlimit(RLIMIT_CORE, &no_core);
  setrlimit(RLIMIT_NOFILE, &files);
  if (pipe(both) || write(both[1], "", 1) != 1) return 2;
  readable = both[0];
  ready = epoll_create1(0);
  silent = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(ready, EPOLL_CTL_ADD, readable, &event);
  polled[0] = (struct pollfd){readable, POLLIN, 0};
  for (int i = 1; i < 256; i++) polled[i].fd = -1;
  FD_ZERO(&set);
  FD_SET(readable, &set);
  pages = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + 4096, 4096, PROT_NONE);

  for (size_t i = 0; i < sizeof kPointers / sizeof *kPointers; i++)
    waits_with_pointer(kPointers[i].name, kPointers[i].at);
  waits_with_pointer("read-only", pages);
  waits_with_pointer("not readable", pages + 4096);
  waits_with_pointer("half readable", pages + 4096 - 8);
  waits_with_pointer("misaligned", (char*)events + 1);

  waits_with_timeout("negative seconds", (struct timespec){-1, 0});
  waits_with_timeout("negative nanoseconds", (struct timespec){0, -1});
  waits_with_timeout("too many nanoseconds", (struct timespec){0, 1000000000});
  waits_with_timeout("huge", (struct timespec){LONG_MAX, 999999999});
  waits_with_timeout("zero", (struct timespec){0, 0});

  const int numbers[] = {-1, 0, INT_MIN, INT_MAX, 1 << 16, 255, 4096};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    waits_with_number(numbers[i]);
    descriptors_with_number(numbers[i]);
  }
  return 0;
}
