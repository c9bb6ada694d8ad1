/* An independent count of the waits that returned, to hold looptap's against: a preload that wraps
 * epoll_wait, epoll_pwait and epoll_pwait2, calls the next definition, and counts each return in the
 * file $COUNT_WAITS_DIR/<pid>, one 64-bit number in host order. The file is mapped, so the count is
 * there however the process ends, and grows at once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t* count;
static char directory[PATH_MAX];
static pid_t count_pid; /* whose count it is: a forked child starts anew */

/* Programs like nginx throw their environment away. */
__attribute__((constructor)) static void keep_directory(void) {
  const char* value = getenv("COUNT_WAITS_DIR");
  if (value && strlen(value) < sizeof directory) strcpy(directory, value);
}

static uint64_t* map_count(pid_t pid) {
  char path[PATH_MAX + 16];
  if (!*directory) return NULL;
  snprintf(path, sizeof path, "%s/%d", directory, (int)pid);
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return NULL;
  void* at = ftruncate(fd, sizeof *count)
                 ? MAP_FAILED
                 : mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return at == MAP_FAILED ? NULL : at;
}

/* Several threads may come first at once: they map the same file, and either mapping will do. */
static void count_return(void) {
  const int kept = errno;
  const pid_t pid = (pid_t)syscall(SYS_getpid);
  if (__atomic_load_n(&count_pid, __ATOMIC_ACQUIRE) != pid) {
    __atomic_store_n(&count, map_count(pid), __ATOMIC_RELEASE);
    __atomic_store_n(&count_pid, pid, __ATOMIC_RELEASE);
  }
  uint64_t* present = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
  if (present) __atomic_fetch_add(present, 1, __ATOMIC_RELAXED);
  errno = kept;
}

int epoll_wait(int fd, struct epoll_event* events, int most, int timeout_ms) {
  int (*next)(int, struct epoll_event*, int, int) = dlsym(RTLD_NEXT, "epoll_wait");
  const int result = next(fd, events, most, timeout_ms);
  count_return();
  return result;
}

int epoll_pwait(int fd, struct epoll_event* events, int most, int timeout_ms, const sigset_t* mask) {
  int (*next)(int, struct epoll_event*, int, int, const sigset_t*) = dlsym(RTLD_NEXT, "epoll_pwait");
  const int result = next(fd, events, most, timeout_ms, mask);
  count_return();
  return result;
}

int epoll_pwait2(int fd, struct epoll_event* events, int most, const struct timespec* timeout,
                 const sigset_t* mask) {
  int (*next)(int, struct epoll_event*, int, const struct timespec*, const sigset_t*) =
      dlsym(RTLD_NEXT, "epoll_pwait2");
  const int result = next(fd, events, most, timeout, mask);
  count_return();
  return result;
}
