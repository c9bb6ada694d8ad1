/* counted_batches SEGMENT_DIRECTORY LIBRARY CALLS BATCHES: for callgrind, which writes a profile after each
 * call of batch_of_waits(). So many times, in this order, it waits
 *   through the bare next function, CALLS times and twice CALLS times,
 *   through the probe in LIBRARY, CALLS times and twice CALLS times.
 *
 * Between two waits lies some work. Under callgrind it takes ten microseconds or more, so that each iteration
 * is one of those that go into a bucket, and none is a long one, however fast the machine is. */
#include <stdlib.h>

#include "tests/bench/wait_function.h"

enum { STEPS_OF_WORK = 250, EVENTS = 16 };

__attribute__((noinline)) void batch_of_waits(WaitFunction wait, int fd, long calls) {
  struct epoll_event events[EVENTS];
  for (long i = 0; i < calls; i++) {
    for (volatile int step = 0; step < STEPS_OF_WORK; step++) {
    }
    wait(fd, events, EVENTS, -1);
  }
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  segment_directory = argv[1];
  const int fd = ready_epoll();
  use_stub();
  const WaitFunction probe = wait_of_probe(argv[2], "counted", fd);
  const long calls = atol(argv[3]), batches = atol(argv[4]);
  // The probe measures the rate of its clock between two waits that lie 10 ms to 2 s apart, the further the
  // slower CLOCK_MONOTONIC is to read. Under callgrind it is slow, and not every pair of waits will do.
  for (int i = 0; i < 20; i++) {
    struct epoll_event event;
    probe(fd, &event, 1, -1);
    for (const uint64_t start_ns = monotonic_ns(); monotonic_ns() - start_ns < 30000000;) {
    }
  }
  for (long batch = 0; batch < batches; batch++) {
    batch_of_waits(next_wait, fd, calls);
    batch_of_waits(next_wait, fd, 2 * calls);
    batch_of_waits(probe, fd, calls);
    batch_of_waits(probe, fd, 2 * calls);
  }
  return 0;
}
