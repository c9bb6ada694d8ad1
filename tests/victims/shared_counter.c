/* Threads that wait on one instance and on one of their own each, and count their waits together: under a lock, or, if an
 * argument says so, without: a race. */
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { kThreads = 3, kRounds = 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int shared, counted, locked;

static void* wait_and_count(void* nothing) {
  struct epoll_event event;
  const int own = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < kRounds; i++) {
    epoll_wait(shared, &event, 1, 1);
    epoll_wait(own, &event, 1, 1);
    if (locked) pthread_mutex_lock(&lock);
    counted += 2;
    if (locked) pthread_mutex_unlock(&lock);
  }
  close(own);
  return nothing;
}

int main(int argc, char** argv) {
  pthread_t threads[kThreads];
  (void)argv;
  locked = argc == 1;
  shared = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < kThreads; i++) pthread_create(&threads[i], NULL, wait_and_count, NULL);
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
  printf("%d\n", counted);
  return 0;
}
