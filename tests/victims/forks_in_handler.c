/* forks_in_handler: a signal interrupts a wait of the loop, and its handler forks. The child runs a loop of
 * its own inside the handler, for 5 waits, returns from it and from the interrupted wait, closes what it
 * inherited, and waits 3 times more. The parent waits on, too. Prints both records. */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/victims/own_record.h"

static struct own_loop parent = {.name = "parent"}, child = {.name = "child"};
static int second = -1;
static pid_t pid;

static void fork_and_wait(int number) {
  (void)number;
  pid = fork();
  if (pid < 0) own_fail("fork");
  if (pid) return;
  second = own_create();
  for (int i = 0; i < 5; i++) own_wait(&child, second, 2);
}

int main(void) {
  const struct itimerval soon = {{0, 0}, {0, 20000}};
  struct sigaction action = {0};
  action.sa_handler = fork_and_wait;
  sigaction(SIGALRM, &action, NULL);
  const int first = own_create();
  for (int i = 0; i < 3; i++) own_wait(&parent, first, 2);
  setitimer(ITIMER_REAL, &soon, NULL);
  own_wait(&parent, first, -1);
  if (second >= 0) {
    close(first);
    for (int i = 0; i < 3; i++) own_wait(&child, second, 2);
    own_close(&child, second);
    own_print(&child);
    exit(0);
  }
  int status;
  if (waitpid(pid, &status, 0) != pid || status) return 1;
  for (int i = 0; i < 3; i++) own_wait(&parent, first, 2);
  own_close(&parent, first);
  own_print(&parent);
  return 0;
}
