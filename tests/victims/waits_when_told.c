/* waits_when_told WAITS: makes its epoll instance, says "ready", and when it is told to go on waits on it so many
 * times for 2 ms, with 1 ms of rest between two waits. Prints its own record, without the iteration that is still
 * open, says "waited", and ends when it is told to. */
#include "tests/victims/own_record.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  struct own_loop loop = {.name = "main"};
  const int epoll = own_create();
  own_hold("ready");
  for (int i = atoi(argv[1]); i > 0; i--) {
    own_wait(&loop, epoll, 2);
    if (i > 1) own_sleep_ms(1);
  }
  own_print(&loop);
  own_hold("waited");
  return 0;
}
