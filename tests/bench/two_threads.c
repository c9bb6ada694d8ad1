/* two_threads SEGMENT_DIRECTORY CPU CPU ROUNDS LIBRARY: what a wait takes in a thread that is alone, and in two
 * threads that wait at the same time on two CPUs. Nothing is behind the wrappers (the stub), so that no
 * contention of the kernel's is measured.
 *
 * Prints a line for each batch: NAME SETTING CPU ROUND NANOSECONDS_PER_CALL, where the name is
 *   empty   a wrapper that does nothing: what the machine itself adds
 *   own     looptap, each thread with a loop of its own
 *   shared  looptap, both threads on one loop: the contention that there is then must show
 * and the setting is alone or both. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/wait_function.h"

enum { CALLS = 5000, BATCHES = 20, EVENTS = 16 };
static const uint64_t kWarmUp_ns = 200000000;

struct Subject {
  const char* name;
  WaitFunction wait;
  int fds[2]; /* by thread */
};

static struct Subject subjects[3];
static int cpus[2]; /* by thread */
static int rounds;
static pthread_barrier_t phase;
static int unfinished; /* threads that have batches of this phase to measure yet */

/* Waits of each thread so far, each in a cache line of its own. */
static struct { _Alignas(128) uint64_t waits; } progress[2];

static double run_batch(const struct Subject* subject, int thread) {
  struct epoll_event events[EVENTS];
  uint64_t waits = progress[thread].waits;
  const uint64_t start_ns = monotonic_ns();
  for (int i = 0; i < CALLS; i++) {
    if (subject->wait(subject->fds[thread], events, EVENTS, -1) != 1) fail(subject->name);
    __atomic_store_n(&progress[thread].waits, ++waits, __ATOMIC_RELAXED);
  }
  return (double)(monotonic_ns() - start_ns) / CALLS;
}

static uint64_t waits_of_other(int thread) {
  return __atomic_load_n(&progress[!thread].waits, __ATOMIC_RELAXED);
}

/* A batch that nobody interrupted and during which the other thread waited, too, or stood still. */
static double run_batch_beside(const struct Subject* subject, int thread, int other_waits) {
  for (;;) {
    const long preempted = times_preempted();
    const uint64_t others_before = waits_of_other(thread);
    const double ns = run_batch(subject, thread);
    const uint64_t others = waits_of_other(thread) - others_before;
    if (times_preempted() == preempted && (other_waits ? others >= CALLS / 4 : others == 0)) return ns;
  }
}

static void measure(const struct Subject* subject, int thread, int both, int round) {
  double ns[BATCHES];
  for (int i = 0; i < BATCHES; i++) ns[i] = run_batch_beside(subject, thread, both);
  __atomic_fetch_sub(&unfinished, 1, __ATOMIC_RELAXED);
  // The other one still needs this one's waits.
  while (__atomic_load_n(&unfinished, __ATOMIC_RELAXED) > 0) run_batch(subject, thread);
  flockfile(stdout);
  for (int i = 0; i < BATCHES; i++)
    printf("%s %s %d %d %.3f\n", subject->name, both ? "both" : "alone", cpus[thread], round, ns[i]);
  funlockfile(stdout);
}

/* Both threads get here; those in the set measure, and the others sleep until the next phase. */
static void run_phase(const struct Subject* subject, int thread, unsigned threads, int round) {
  if (pthread_barrier_wait(&phase) == PTHREAD_BARRIER_SERIAL_THREAD)
    __atomic_store_n(&unfinished, __builtin_popcount(threads), __ATOMIC_RELAXED);
  pthread_barrier_wait(&phase);
  if (threads & (1u << thread)) measure(subject, thread, threads == 3, round);
}

static void* run_thread(void* number) {
  const int thread = *(const int*)number;
  pin_to_cpu(cpus[thread]);
  for (int i = 0; i < 3; i++)
    for (const uint64_t start_ns = monotonic_ns(); monotonic_ns() - start_ns < kWarmUp_ns;)
      run_batch(&subjects[i], thread);
  for (int round = 0; round < rounds; round++)
    for (int i = 0; i < 3; i++) {
      run_phase(&subjects[i], thread, 1, round);
      run_phase(&subjects[i], thread, 2, round);
      run_phase(&subjects[i], thread, 3, round);
    }
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  segment_directory = argv[1];
  cpus[0] = atoi(argv[2]);
  cpus[1] = atoi(argv[3]);
  rounds = atoi(argv[4]);
  use_stub();
  const int shared = ready_epoll();
  const WaitFunction looptap = wait_of_probe(argv[5], "threads", shared);
  subjects[0] = (struct Subject){"empty", wait_empty, {-1, -1}};
  subjects[1] = (struct Subject){"own", looptap, {ready_epoll(), ready_epoll()}};
  subjects[2] = (struct Subject){"shared", looptap, {shared, shared}};

  pthread_t threads[2];
  static const int numbers[2] = {0, 1};
  pthread_barrier_init(&phase, NULL, 2);
  for (int i = 0; i < 2; i++)
    if (pthread_create(&threads[i], NULL, run_thread, (void*)&numbers[i])) fail("pthread_create");
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  return 0;
}
