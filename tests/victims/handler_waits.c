/* handler_waits WHERE: a signal interrupts a wait of the loop that has no timeout, which then fails with
 * EINTR. Its handler waits 3 times: on the same instance, on another, or nowhere. Then it works for 120 ms
 * and waits on. Prints the records. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "tests/victims/own_record.h"

static struct own_loop outer_loop = {.name = "outer"}, inner_loop = {.name = "inner"};
static const char* where;
static int outer, inner;
static int64_t interrupted_ns; /* when the wait was */

static void handle(int number) {
  (void)number;
  interrupted_ns = own_now_ns();
  outer_loop.left_ns = interrupted_ns;
  for (int i = 0; i < 3; i++) {
    if (!strcmp(where, "same")) own_wait(&outer_loop, outer, 5);
    if (!strcmp(where, "other")) own_wait(&inner_loop, inner, 5);
  }
}

static void wait_without_end(void) {
  const struct itimerval soon = {{0, 0}, {0, 30000}};
  struct epoll_event event;
  const int64_t entered_ns = own_now_ns();
  own_iteration_ends(&outer_loop, entered_ns);
  setitimer(ITIMER_REAL, &soon, NULL);
  if (epoll_wait(outer, &event, 1, -1) != -1 || errno != EINTR) own_fail("epoll_wait");
  outer_loop.waits++;
  outer_loop.wait_ns += interrupted_ns - entered_ns;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  where = argv[1];
  struct sigaction action = {0};
  action.sa_handler = handle;
  sigaction(SIGALRM, &action, NULL);
  outer = own_create();
  inner = own_create();
  for (int i = 0; i < 3; i++) own_wait(&outer_loop, outer, 2);
  wait_without_end();
  own_sleep_ms(120);
  for (int i = 0; i < 3; i++) own_wait(&outer_loop, outer, 2);
  close(inner);
  own_close(&outer_loop, outer);
  own_print(&outer_loop);
  own_print(&inner_loop);
  return 0;
}
