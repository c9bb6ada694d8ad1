/* prefork: has a loop of its own, and forks three children while it lives: one that runs another loop and
 * ends by exit(), one that runs the same and ends by _exit(), and one that never waits (redis' BGSAVE) and
 * ends by exit(). Says "forked" when all have ended, and goes on when it is told to. All print their own
 * records. */
#include <string.h>
#include <sys/wait.h>

#include "tests/victims/own_record.h"

static struct own_loop parent = {.name = "parent"};

static pid_t fork_child(const char* name, void (*end)(int)) {
  const pid_t pid = fork();
  if (pid < 0) own_fail("fork");
  if (pid) return pid;
  if (strcmp(name, "idle")) {
    struct own_loop own = {.name = name};
    const int epoll = own_create();
    for (int i = 0; i < 5; i++) own_wait(&own, epoll, 10);
    own_close(&own, epoll);
    own_print(&own);
  }
  end(0);
  abort();
}

int main(void) {
  const int epoll = own_create();
  own_add(epoll, 0);
  for (int i = 0; i < 3; i++) own_wait(&parent, epoll, 2);
  const pid_t children[] = {fork_child("exits", exit), fork_child("_exits", _exit), fork_child("idle", exit)};
  int ended = 0;
  while (ended < 3) {
    int status;
    own_wait(&parent, epoll, 2);
    for (int i = 0; i < 3; i++)
      if (waitpid(children[i], &status, WNOHANG) == children[i]) {
        if (status) return 1;
        ended++;
      }
  }
  own_hold_waiting(&parent, epoll, "forked");
  own_close(&parent, epoll);
  own_print(&parent);
  return 0;
}
