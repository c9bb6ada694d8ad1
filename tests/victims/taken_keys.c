/* taken_keys: takes 40 keys of thread-specific data, more than a thread holds without allocating, before a
 * thread waits 4 times on an epoll instance and ends. Says "gone", and goes on when it is told to. Prints
 * its own record. */
#include <pthread.h>

#include "tests/victims/own_record.h"

static struct own_loop loop = {.name = "main"};

static void* run(void* epoll) {
  for (int i = 0; i < 4; i++) own_wait(&loop, *(int*)epoll, 2);
  own_iteration_ends(&loop, own_now_ns());
  return NULL;
}

int main(void) {
  pthread_key_t key;
  pthread_t thread;
  for (int i = 0; i < 40; i++)
    if (pthread_key_create(&key, NULL)) return 1;
  int epoll = own_create();
  pthread_create(&thread, NULL, run, &epoll);
  pthread_join(thread, NULL);
  own_hold("gone");
  own_print(&loop);
  return 0;
}
