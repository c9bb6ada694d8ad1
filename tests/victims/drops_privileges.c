/* drops_privileges WHEN: becomes user and group 65534, as nginx' workers do, and runs a loop.
 *
 * before: before it has an epoll instance. between: between its waits. forked: in a forked child, after the
 * parent has made an instance to see whether it can, and closed it. Says "runs" and goes on when it is told
 * to. */
#include <grp.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/victims/own_record.h"

static void drop_privileges(void) {
  if (setgroups(0, NULL) || setgid(65534) || setuid(65534)) own_fail("setuid");
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  struct own_loop loop = {.name = "main"};
  if (!strcmp(argv[1], "forked")) {
    close(own_create());
    const pid_t pid = fork();
    if (pid < 0) own_fail("fork");
    if (pid) {
      int status;
      return waitpid(pid, &status, 0) != pid || status;
    }
  }
  if (strcmp(argv[1], "between")) drop_privileges();
  const int epoll = own_create();
  own_add(epoll, 0);
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
  if (!strcmp(argv[1], "between")) drop_privileges();
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
  own_hold_waiting(&loop, epoll, "runs");
  own_close(&loop, epoll);
  own_print(&loop);
  return 0;
}
