/* inherited: waits 3 times on an epoll instance and forks. The child waits 5 times on the instance that it
 * inherited, closes it, and exits; then the parent waits 4 times more. Each prints its own record of a loop
 * of its own.
 *
 * inherited unwaited: the parent does not wait before it forks. */
#include <sys/wait.h>

#include "tests/victims/own_record.h"

static void wait_times(struct own_loop* loop, int epoll, int times) {
  for (int i = 0; i < times; i++) own_wait(loop, epoll, 2);
}

int main(int argc, char** argv) {
  (void)argv;
  struct own_loop parent = {.name = "parent"}, child = {.name = "child"};
  const int epoll = own_create();
  if (argc == 1) wait_times(&parent, epoll, 3);
  const pid_t pid = fork();
  if (pid < 0) own_fail("fork");
  if (pid == 0) {
    wait_times(&child, epoll, 5);
    own_close(&child, epoll);
    own_print(&child);
    exit(0);
  }
  int status;
  if (waitpid(pid, &status, 0) != pid || status) return 1;
  wait_times(&parent, epoll, 4);
  own_close(&parent, epoll);
  own_print(&parent);
  return 0;
}
