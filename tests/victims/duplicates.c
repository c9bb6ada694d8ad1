/* duplicates: waits on an epoll instance under two numbers, in turns; closes the first, works for 120 ms,
 * waits on under the second, and closes that, too, which ends the loop. Says "ended" and goes on when it is
 * told to.
 *
 * duplicates first: closes the first number before it has waited under the second. */
#include "tests/victims/own_record.h"

static struct own_loop loop = {.name = "main"};

static void wait_three_times(int epoll) {
  for (int i = 0; i < 3; i++) own_wait(&loop, epoll, 2);
}

int main(int argc, char** argv) {
  (void)argv;
  const int first = own_create();
  const int second = dup(first);
  if (argc > 1) {
    wait_three_times(first);
    own_close(&loop, first); /* nobody has seen the second yet: for looptap it ends here */
    wait_three_times(second);
  } else {
    wait_three_times(first);
    wait_three_times(second);
    wait_three_times(first);
    close(first);
    own_sleep_ms(120);
    wait_three_times(second);
  }
  own_close(&loop, second);
  own_hold("ended");
  own_print(&loop);
  return 0;
}
