/* loops_at_work PROCESSES THREADS WAITS: so many processes with so many threads each; every thread has an epoll
 * instance of its own and waits on it so many times in all, for an event that is always there. All take turns after a
 * few waits each, as loops do. Prints "done" and the CPU time of one wait in ns; the loops stay, waiting, until stdin
 * ends. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { kTurn = 8, kStackSize = 64 * 1024, kPatience = 120 };

struct shared {
  pthread_barrier_t start;
  sem_t done; /* one post for each loop */
  atomic_ullong cpu_ns;
};

static struct shared* shared;
static long loops, waits;

static void check(int failed, const char* what) {
  if (!failed) return;
  perror(what);
  exit(1);
}

static unsigned long long thread_cpu_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (unsigned long long)time.tv_sec * 1000000000u + (unsigned long long)time.tv_nsec;
}

static void* loop(void* unused) {
  const int epoll = epoll_create1(0), descriptor = eventfd(1, 0);
  check(epoll < 0 || descriptor < 0, "descriptors");
  struct epoll_event event = {.events = EPOLLIN};
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
  check(epoll_wait(epoll, &event, 1, -1) != 1, "epoll_wait");
  pthread_barrier_wait(&shared->start);
  const unsigned long long before_ns = thread_cpu_ns();
  for (long i = 0; i < waits; i++) {
    check(epoll_wait(epoll, &event, 1, -1) != 1, "epoll_wait");
    if (i % kTurn == 0) sched_yield();
  }
  atomic_fetch_add(&shared->cpu_ns, thread_cpu_ns() - before_ns);
  sem_post(&shared->done);
  check(epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL), "epoll_ctl");
  for (;;) epoll_wait(epoll, &event, 1, -1);
  return unused;
}

static void run(long threads) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  for (long i = 0; i < threads; i++) {
    pthread_t thread;
    check(pthread_create(&thread, &attributes, loop, NULL), "pthread_create");
  }
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const long processes = atol(argv[1]), threads = atol(argv[2]);
  loops = processes * threads;
  waits = atol(argv[3]);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(shared == MAP_FAILED, "mmap");
  pthread_barrierattr_t across_processes;
  pthread_barrierattr_init(&across_processes);
  pthread_barrierattr_setpshared(&across_processes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->start, &across_processes, (unsigned)loops);
  sem_init(&shared->done, 1, 0);
  alarm(kPatience);
  for (long i = 1; i < processes; i++) {
    const pid_t child = fork();
    check(child < 0, "fork");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      run(threads);
      for (;;) pause();
    }
  }
  run(threads);
  for (long i = 0; i < loops; i++)
    while (sem_wait(&shared->done)) continue;
  printf("done %.1f\n", (double)atomic_load(&shared->cpu_ns) / (double)(loops * waits));
  fflush(stdout);
  while (getchar() != EOF) continue;
  return 0;
}
