/* A victim's own record of a loop, to hold looptap's figures against: CLOCK_MONOTONIC around each wait. C and
 * C++, any libc. */
#ifndef LOOPTAP_TESTS_OWN_RECORD_H
#define LOOPTAP_TESTS_OWN_RECORD_H

#include <dirent.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

struct own_loop {
  const char* name;
  int64_t waits, events;
  int64_t iterations, away_ns, longest_ns; /* closed iterations */
  int64_t wait_ns, poll_ns;                /* in waits that may sleep, and in those with timeout 0 */
  int64_t left_ns;                         /* when the open iteration began; 0: there is none */
};

static inline int64_t own_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void own_sleep_ms(int64_t milliseconds) {
  const struct timespec time = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000 * 1000000)};
  nanosleep(&time, NULL);
}

/* The open iteration ends: the loop waits, or its instance is closed. */
static inline void own_iteration_ends(struct own_loop* loop, int64_t now_ns) {
  if (!loop->left_ns) return;
  const int64_t away_ns = now_ns - loop->left_ns;
  loop->iterations++;
  loop->away_ns += away_ns;
  if (away_ns > loop->longest_ns) loop->longest_ns = away_ns;
  loop->left_ns = 0;
}

static inline int own_wait(struct own_loop* loop, int epoll, int timeout_ms) {
  struct epoll_event events[8];
  const int64_t entered_ns = own_now_ns();
  const int result = epoll_wait(epoll, events, 8, timeout_ms);
  const int64_t left_ns = own_now_ns();
  own_iteration_ends(loop, entered_ns);
  *(timeout_ms ? &loop->wait_ns : &loop->poll_ns) += left_ns - entered_ns;
  loop->left_ns = left_ns;
  loop->waits++;
  if (result > 0) loop->events += result;
  return result;
}

static inline void own_close(struct own_loop* loop, int epoll) {
  own_iteration_ends(loop, own_now_ns());
  close(epoll);
}

/* For how long the threads that are there were ready to run and got no CPU. By so much, at most, can a look at the clock and
 * the probe's own look, next to it, differ more than on an idle machine. 0 where it cannot be read. */
static inline int64_t own_runqueue_ns(void) {
  int64_t sum = 0;
#ifdef OWN_RECORD_OPENS_NOTHING /* for a victim in a sandbox that forbids it */
  DIR* tasks = NULL;
#else
  DIR* tasks = opendir("/proc/self/task");
#endif
  if (!tasks) return 0;
  for (struct dirent* task = readdir(tasks); task; task = readdir(tasks)) {
    char path[300];
    long long delay_ns = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", task->d_name);
    FILE* file = task->d_name[0] == '.' ? NULL : fopen(path, "re");
    if (!file) continue;
    if (fscanf(file, "%*s %lld", &delay_ns) == 1) sum += delay_ns;
    fclose(file);
  }
  closedir(tasks);
  return sum;
}

static inline void own_print(const struct own_loop* loop) {
  printf("loop %s pid=%d waits=%lld events=%lld iterations=%lld ", loop->name, (int)getpid(),
         (long long)loop->waits, (long long)loop->events, (long long)loop->iterations);
  printf("away_ns=%lld longest_ns=%lld wait_ns=%lld poll_ns=%lld ", (long long)loop->away_ns,
         (long long)loop->longest_ns, (long long)loop->wait_ns, (long long)loop->poll_ns);
  printf("runqueue_ns=%lld\n", (long long)own_runqueue_ns());
  fflush(stdout);
}

static inline void own_fail(const char* what) {
  perror(what);
  exit(1);
}

static inline int own_create(void) {
  const int epoll = epoll_create1(0);
  if (epoll < 0) own_fail("epoll_create1");
  return epoll;
}

static inline void own_add(int epoll, int fd) {
  struct epoll_event event;
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) own_fail("epoll_ctl");
}

/* Tells the test what the victim does now. */
static inline void own_say(const char* what) {
  puts(what);
  fflush(stdout);
}

static inline void own_read_line(void) {
  char byte;
  while (read(0, &byte, 1) == 1 && byte != '\n') {
  }
}

/* Blocks until the test says a line. */
static inline void own_hold(const char* what) {
  own_say(what);
  own_read_line();
}

/* Waits on the loop, which has stdin among its descriptors, until the test says a line. */
static inline void own_hold_waiting(struct own_loop* loop, int epoll, const char* what) {
  own_say(what);
  own_wait(loop, epoll, -1);
  own_read_line();
}

#endif
