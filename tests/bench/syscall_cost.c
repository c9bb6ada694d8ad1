/* syscall_cost CPU: for each line on stdin, which is a number of milliseconds, measures for so long each what an epoll_wait
 * with one ready descriptor takes; a getpid, which has nothing to do with it; and an event: a write that makes a
 * descriptor of an epoll instance ready, and the wait that returns it. Answers with "epoll_wait NANOSECONDS getpid
 * NANOSECONDS event NANOSECONDS waits WAITS": medians of batches, and all waits since the start. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { CALLS_IN_BATCH = 200, MOST_BATCHES = 4096 };

static int loop; /* an epoll instance on which a descriptor is ready */
static int told; /* one that is told of each write to... */
static int event;
static unsigned long long waits;

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void pin_to_cpu(int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (sched_setaffinity(0, sizeof only, &only)) fail("sched_setaffinity");
}

static uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* How often another program got the CPU against our will. */
static long times_preempted(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage)) fail("getrusage");
  return usage.ru_nivcsw;
}

static int epoll_on(int fd, uint32_t events) {
  struct epoll_event how = {.events = events};
  const int epoll = epoll_create1(0);
  if (epoll < 0 || fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &how)) fail("epoll");
  return epoll;
}

static void wait_on(int epoll) {
  struct epoll_event returned;
  waits++;
  if (epoll_wait(epoll, &returned, 1, -1) != 1) fail("epoll_wait");
}

static void wait_once(void) { wait_on(loop); }

static void write_and_wait(void) {
  const uint64_t one = 1;
  if (write(event, &one, sizeof one) != sizeof one) fail("write");
  wait_on(told);
}

static void ask_for_pid(void) {
  if (getpid() < 1) fail("getpid");
}

static int ascending(const void* one, const void* other) {
  const double difference = *(const double*)one - *(const double*)other;
  return (difference > 0) - (difference < 0);
}

/* Batches in which another program got the CPU do not count, unless there is no other. */
static double median_ns(void (*call)(void), uint64_t duration_ns) {
  static double batches[MOST_BATCHES];
  int count = 0, undisturbed = 0;
  const uint64_t end_ns = monotonic_ns() + duration_ns;
  while (count < MOST_BATCHES && (monotonic_ns() < end_ns || count < 5)) {
    const long before = times_preempted();
    const uint64_t start_ns = monotonic_ns();
    for (int i = 0; i < CALLS_IN_BATCH; i++) call();
    const double ns = (double)(monotonic_ns() - start_ns) / CALLS_IN_BATCH;
    batches[count++] = ns;
    if (times_preempted() != before) continue;
    batches[count - 1] = batches[undisturbed];
    batches[undisturbed++] = ns;
  }
  if (undisturbed) count = undisturbed;
  qsort(batches, (size_t)count, sizeof *batches, ascending);
  return batches[count / 2];
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  pin_to_cpu(atoi(argv[1]));
  loop = epoll_on(eventfd(1, 0), EPOLLIN);
  event = eventfd(0, 0);
  told = epoll_on(event, EPOLLIN | EPOLLET);
  puts("ready");
  fflush(stdout);
  char line[32];
  while (fgets(line, sizeof line, stdin)) {
    const uint64_t duration_ns = (uint64_t)atoi(line) * 1000000;
    const double wait_ns = median_ns(wait_once, duration_ns), getpid_ns = median_ns(ask_for_pid, duration_ns);
    const double event_ns = median_ns(write_and_wait, duration_ns);
    printf("epoll_wait %.1f getpid %.1f event %.1f waits %llu\n", wait_ns, getpid_ns, event_ns, waits);
    fflush(stdout);
  }
  return 0;
}
