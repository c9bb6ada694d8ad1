/* daemon: has a loop, and becomes a daemon: forks, ends the parent, begins a session, forks again, and closes
 * everything from descriptor 3 on. There it runs another loop, closes everything once more, and goes on with
 * a third one, which has the number of the second. Says "daemon" and goes on when it is told to, or when its
 * stdin ends. Prints the records. */
#define _GNU_SOURCE
#include "tests/victims/own_record.h"

static void close_all(void) {
#ifdef __GLIBC__
  closefrom(3);
#else
  for (int fd = 3; fd < 1024; fd++) close(fd);
#endif
}

static void fork_away(void) {
  const pid_t pid = fork();
  if (pid < 0) own_fail("fork");
  if (pid) exit(0);
}

int main(void) {
  struct own_loop first = {.name = "first"}, loop = {.name = "daemon"};
  int epoll = own_create();
  for (int i = 0; i < 3; i++) own_wait(&first, epoll, 2);
  own_iteration_ends(&first, own_now_ns());
  own_print(&first);

  fork_away();
  if (setsid() < 0) own_fail("setsid");
  fork_away();
  if (chdir("/")) own_fail("chdir");
  close_all();

  for (int instance = 0; instance < 2; instance++) {
    epoll = own_create();
    for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
    own_iteration_ends(&loop, own_now_ns());
    close_all();
  }
  own_print(&loop);
  own_hold("daemon");
  return 0;
}
