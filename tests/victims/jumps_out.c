/* jumps_out: a signal's handler leaves a wait without end by siglongjmp, 20 times; each time the loop waits
 * on at once. Then it works until it is told to go on, and waits on. Prints its own record: the waits that
 * returned. */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "tests/victims/own_record.h"

static struct own_loop loop = {.name = "main"};
static sigjmp_buf before_wait;

static void jump(int number) {
  (void)number;
  siglongjmp(before_wait, 1);
}

static void wait_and_jump(int epoll) {
  const struct itimerval soon = {{0, 0}, {0, 5000}};
  struct epoll_event event;
  static int64_t entered_ns;
  if (sigsetjmp(before_wait, 1) == 0) {
    setitimer(ITIMER_REAL, &soon, NULL);
    entered_ns = own_now_ns();
    own_iteration_ends(&loop, entered_ns);
    epoll_wait(epoll, &event, 1, -1);
    abort();
  }
  loop.left_ns = own_now_ns();
  loop.wait_ns += loop.left_ns - entered_ns;
}

int main(void) {
  struct sigaction action = {0};
  action.sa_handler = jump;
  sigaction(SIGALRM, &action, NULL);
  const int epoll = own_create();
  for (int i = 0; i < 20; i++) {
    own_wait(&loop, epoll, 2);
    wait_and_jump(epoll);
  }
  own_wait(&loop, epoll, 2);
  own_hold("works");
  own_wait(&loop, epoll, 2);
  own_close(&loop, epoll);
  own_print(&loop);
  return 0;
}
