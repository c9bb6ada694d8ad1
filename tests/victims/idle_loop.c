/* idle_loop: a thread by the name of "now and then" waits 4 times on a loop that it keeps, and turns to other
 * work until it is told to go on; then it waits 4 times more. The main thread waits on a loop of its own
 * meanwhile. Prints the records. */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "tests/victims/own_record.h"

static int done; /* an eventfd */

static void wait_four_times(struct own_loop* loop, int epoll) {
  for (int i = 0; i < 4; i++) own_wait(loop, epoll, 2);
}

static void* run_now_and_then(void* argument) {
  struct own_loop* loop = argument;
  const uint64_t one = 1;
  prctl(PR_SET_NAME, "now and then");
  const int epoll = own_create();
  wait_four_times(loop, epoll);
  own_hold("works");
  wait_four_times(loop, epoll);
  own_close(loop, epoll);
  if (write(done, &one, sizeof one) != sizeof one) own_fail("write");
  return NULL;
}

int main(void) {
  struct own_loop main_loop = {.name = "main"}, other_loop = {.name = "other"};
  pthread_t thread;
  done = eventfd(0, 0);
  const int epoll = own_create();
  own_wait(&main_loop, epoll, 2);
  own_add(epoll, done);
  pthread_create(&thread, NULL, run_now_and_then, &other_loop);
  own_wait(&main_loop, epoll, -1);
  pthread_join(thread, NULL);
  own_close(&main_loop, epoll);
  own_print(&main_loop);
  own_print(&other_loop);
  return 0;
}
