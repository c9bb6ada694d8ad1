/* many_threads THREADS ABREAST [keep]: so many threads, so many at a time, all of which start at once. Each
 * makes an epoll instance, waits on it 3 times, closes it (told to keep it, main does so afterwards) and
 * ends. The waits do not sleep. Prints how many waits there were. */
#include <pthread.h>
#include <string.h>

#include "tests/victims/own_record.h"

enum { kMostAbreast = 64, kWaits = 3 };

static pthread_barrier_t start;
static int keep;

static void* wait_a_little(void* place) {
  struct epoll_event event;
  pthread_barrier_wait(&start);
  const int epoll = own_create();
  for (int i = 0; i < kWaits; i++)
    if (epoll_wait(epoll, &event, 1, 0)) own_fail("epoll_wait");
  if (keep)
    *(int*)place = epoll;
  else
    close(epoll);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int count = atoi(argv[1]), abreast = atoi(argv[2]);
  if (abreast < 1 || abreast > kMostAbreast) return 2;
  keep = argc > 3;
  pthread_barrier_init(&start, NULL, (unsigned)abreast);
  int done = 0;
  for (; done < count; done += abreast) {
    pthread_t threads[kMostAbreast];
    int kept[kMostAbreast];
    for (int i = 0; i < abreast; i++) pthread_create(&threads[i], NULL, wait_a_little, &kept[i]);
    for (int i = 0; i < abreast; i++) pthread_join(threads[i], NULL);
    for (int i = 0; keep && i < abreast; i++) close(kept[i]);
  }
  printf("waits=%d\n", kWaits * done);
  return 0;
}
