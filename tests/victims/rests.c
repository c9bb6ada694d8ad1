/* rests WAITS: waits so many times for 2 ms on its epoll instance, says "rests", and waits there until it is
 * told to go on. Prints its own record. */
#include "tests/victims/own_record.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  struct own_loop loop = {.name = "main"};
  const int epoll = own_create();
  for (int i = atoi(argv[1]); i > 0; i--) own_wait(&loop, epoll, 2);
  own_add(epoll, 0);
  own_hold_waiting(&loop, epoll, "rests");
  own_close(&loop, epoll);
  own_print(&loop);
  return 0;
}
