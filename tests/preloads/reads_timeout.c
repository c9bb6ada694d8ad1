/* What the probe must not be: it reads the timeout of epoll_pwait2() before the kernel has. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

static volatile long seconds;

int epoll_pwait2(int fd, struct epoll_event* events, int most, const struct timespec* timeout,
                 const sigset_t* mask) {
  int (*next)(int, struct epoll_event*, int, const struct timespec*, const sigset_t*) =
      (int (*)(int, struct epoll_event*, int, const struct timespec*, const sigset_t*))dlsym(RTLD_NEXT,
                                                                                             "epoll_pwait2");
  if (timeout) seconds = timeout->tv_sec;
  return next(fd, events, most, timeout, mask);
}
