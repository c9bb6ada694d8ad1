/* execs_itself TIMES: waits 4 times on an epoll instance, prints its own record, and so many times executes
 * itself anew, which waits on the instance that it inherited. The last one says "last" and goes on when it is
 * told to. */
#include "tests/victims/own_record.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int times = atoi(argv[1]);
  struct own_loop loop = {.name = "main"};
  const int epoll = argc > 2 ? atoi(argv[2]) : epoll_create(1);
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
  if (times > 0) {
    char left[16], number[16];
    snprintf(left, sizeof left, "%d", times - 1);
    snprintf(number, sizeof number, "%d", epoll);
    execl(argv[0], argv[0], left, number, (char*)NULL);
    own_fail("execl");
  }
  own_iteration_ends(&loop, own_now_ns());
  own_hold("last");
  own_print(&loop);
  return 0;
}
