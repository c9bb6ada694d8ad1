/* shared_instance covered WAITS: while one thread waits on an epoll instance without end, two others wait on
 * it WAITS times each without sleeping. Somebody always waits, so it is never away.
 *
 * shared_instance turns WAITS: three threads each wait on it WAITS times, for up to 2 ms, and work for up to
 * 2 ms in between. The truth comes from all their instants together.
 *
 * shared_instance hammer WAITS: three threads each wait on it WAITS times and do nothing else.
 *
 * Prints its own record, and wall_ns, the time from the first wait to the instance's end. */
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "tests/victims/own_record.h"

enum { kThreads = 3 };

struct period {
  int64_t entered_ns, left_ns;
};

static int instance;
static long waits;
static struct period* periods[kThreads];
static int waiter_id;    /* of the thread that waits without end */
static int64_t first_ns; /* when the first wait began */
static struct own_loop loop = {.name = "main"};

static void note_first(void) {
  const int64_t now_ns = own_now_ns();
  int64_t known_ns = __atomic_load_n(&first_ns, __ATOMIC_RELAXED);
  while ((!known_ns || now_ns < known_ns) &&
         !__atomic_compare_exchange_n(&first_ns, &known_ns, now_ns, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

static void* wait_without_end(void* unused) {
  struct epoll_event event;
  note_first();
  __atomic_store_n(&waiter_id, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
  if (epoll_wait(instance, &event, 1, -1) != 1) own_fail("epoll_wait");
  return unused;
}

/* Whether the thread that waits without end is asleep, which it is only there. */
static int it_sleeps(void) {
  char path[64], stat[256] = "";
  const int id = __atomic_load_n(&waiter_id, __ATOMIC_ACQUIRE);
  if (!id) return 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
  FILE* file = fopen(path, "r");
  if (!file) own_fail(path);
  if (!fgets(stat, sizeof stat, file)) own_fail(path);
  fclose(file);
  return strstr(stat, ") S ") != NULL;
}

static void* hammer(void* unused) {
  struct epoll_event event;
  note_first();
  for (long i = 0; i < waits; i++) epoll_wait(instance, &event, 1, 0);
  return unused;
}

static void* take_turns(void* place) {
  struct period* own = place;
  unsigned seed = (unsigned)own_now_ns();
  struct epoll_event event;
  note_first();
  for (long i = 0; i < waits; i++) {
    own[i].entered_ns = own_now_ns();
    epoll_wait(instance, &event, 1, 1 + rand_r(&seed) % 2);
    own[i].left_ns = own_now_ns();
    const int64_t until_ns = own[i].left_ns + rand_r(&seed) % 2000000;
    while (own_now_ns() < until_ns) {
    }
  }
  return NULL;
}

static int by_entry(const void* a, const void* b) {
  const int64_t difference = ((const struct period*)a)->entered_ns - ((const struct period*)b)->entered_ns;
  return (difference > 0) - (difference < 0);
}

/* Fills in the record: away is where no period is. */
static void merge_periods(int64_t end_ns) {
  struct period* all = malloc(sizeof *all * kThreads * (size_t)waits);
  for (int i = 0; i < kThreads; i++) memcpy(all + i * waits, periods[i], sizeof *all * (size_t)waits);
  qsort(all, kThreads * (size_t)waits, sizeof *all, by_entry);
  int64_t left_ns = all[0].left_ns;
  for (long i = 1; i < kThreads * waits; i++) {
    if (all[i].entered_ns > left_ns) {
      loop.left_ns = left_ns;
      own_iteration_ends(&loop, all[i].entered_ns);
    }
    if (all[i].left_ns > left_ns) left_ns = all[i].left_ns;
  }
  loop.left_ns = left_ns;
  own_iteration_ends(&loop, end_ns);
  loop.wait_ns = end_ns - all[0].entered_ns - loop.away_ns;
  free(all);
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  pthread_t threads[kThreads];
  waits = atol(argv[2]);
  instance = own_create();
  const int wake = eventfd(0, 0);
  own_add(instance, wake);
  if (!strcmp(argv[1], "covered")) {
    pthread_create(&threads[0], NULL, wait_without_end, NULL);
    while (!it_sleeps()) own_sleep_ms(1);
    for (int i = 1; i < kThreads; i++) pthread_create(&threads[i], NULL, hammer, NULL);
    for (int i = 1; i < kThreads; i++) pthread_join(threads[i], NULL);
    const uint64_t one = 1;
    if (write(wake, &one, sizeof one) != sizeof one) own_fail("write");
    pthread_join(threads[0], NULL);
    loop.waits = 2 * waits + 1;
  } else {
    for (int i = 0; i < kThreads; i++) {
      periods[i] = calloc((size_t)waits, sizeof *periods[i]);
      pthread_create(&threads[i], NULL, !strcmp(argv[1], "turns") ? take_turns : hammer, periods[i]);
    }
    for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
    loop.waits = kThreads * waits;
  }
  const int64_t end_ns = own_now_ns();
  close(instance);
  if (!strcmp(argv[1], "turns")) merge_periods(end_ns);
  own_print(&loop);
  printf("wall_ns=%lld\n", (long long)(end_ns - first_ns));
  return 0;
}
