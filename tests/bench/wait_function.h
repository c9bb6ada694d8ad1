/* The ways to wait that the benchmarks compare: all have epoll_wait's signature and end in next_wait(). */
#ifndef LOOPTAP_BENCH_WAIT_FUNCTION_H
#define LOOPTAP_BENCH_WAIT_FUNCTION_H

#include <stdint.h>
#include <sys/epoll.h>

typedef int (*WaitFunction)(int, struct epoll_event*, int, int);

/* What stands behind every wrapper: returns 1 at once, or makes the real call. */
int next_wait(int fd, struct epoll_event* events, int most, int timeout_ms);
void use_stub(void);
void use_real_call(void);

/* A wrapper that does nothing but call the next function, as each preload must. */
int wait_empty(int fd, struct epoll_event* events, int most, int timeout_ms);
/* The same, with a reading of the TSC before and after: what measuring costs at the least. */
int wait_tsc(int fd, struct epoll_event* events, int most, int timeout_ms);

/* The epoll_wait of a probe (liblooptap.so, or one of its stages) whose next function is next_wait(), and
 * which has its segment in a folder of its own, DIRECTORY/<name>. It makes the segment in a first wait, on fd:
 * the loop that is to be measured, lest that be a loop inside another one. */
WaitFunction wait_of_probe(const char* library, const char* name, int fd);
/* How many waits the segment in that folder says have returned. */
uint64_t waits_in_segment(const char* name);
/* Where these folders are: an existing one. */
extern const char* segment_directory;

/* An epoll instance on which an event is always ready. */
int ready_epoll(void);

void pin_to_cpu(int cpu);
uint64_t monotonic_ns(void);
/* How often another program got the CPU of the calling thread against its will. */
long times_preempted(void);
void fail(const char* what) __attribute__((noreturn));

#endif
