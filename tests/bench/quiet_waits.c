/* quiet_waits TIMED_OUT READY: waits on one epoll instance, and marks in a trace of its system calls, by
 * getppid, where each part begins and ends:
 *   the first wait
 *   -- marker --
 *   so many waits that time out after 2 ms, some after an iteration of more than 10 ms
 *   -- marker --  (an event becomes ready)  -- marker --
 *   so many waits that return it
 *   -- marker --
 * Prints how many times anything was allocated or freed between the markers, and how many times at all. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The allocator's functions, counted. glibc offers its own under a second name. */
static unsigned long allocations;
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

void* malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}
void* realloc(void* at, size_t size) {
  allocations++;
  return __libc_realloc(at, size);
}
void* memalign(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** at, size_t alignment, size_t size) {
  *at = memalign(alignment, size);
  return *at ? 0 : ENOMEM;
}
void free(void* at) {
  allocations++;
  __libc_free(at);
}

static void mark(void) { syscall(SYS_getppid); }

/* Without a system call: clock_gettime reads the vDSO. */
static void work_for_ms(int64_t ms) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

static void wait_for(int loop, int timeout_ms, int result) {
  struct epoll_event event;
  if (epoll_wait(loop, &event, 1, timeout_ms) != result) {
    perror("epoll_wait");
    exit(1);
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const long timed_out = atol(argv[1]), ready = atol(argv[2]);
  void* volatile something = malloc(1);  // so that there is something to count
  free(something);
  const int loop = epoll_create1(0), event = eventfd(0, 0);
  struct epoll_event interest = {.events = EPOLLIN};
  if (loop < 0 || event < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, event, &interest)) return 1;

  wait_for(loop, 0, 0);
  const unsigned long before = allocations;
  mark();
  for (long i = 0; i < timed_out; i++) {
    if (i % 8 == 0) work_for_ms(12);
    wait_for(loop, 2, 0);
  }
  mark();
  if (eventfd_write(event, 1)) return 1;
  mark();
  for (long i = 0; i < ready; i++) wait_for(loop, -1, 1);
  mark();
  const unsigned long between = allocations - before;
  printf("%lu %lu\n", between, allocations);
  return 0;
}
