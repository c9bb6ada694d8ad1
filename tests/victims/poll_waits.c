/* poll_waits CALL: a main loop on poll, ppoll, select or pselect. 10 times it waits for 2 ms on a pipe that
 * says nothing; after half of that it sleeps for 120 ms, by a call of CALL on no descriptor at all. Prints
 * its own record.
 *
 * poll_waits CALL then_epoll: goes on with a loop on an epoll instance, in which a call of CALL on the pipe
 * blocks it for 120 ms; it keeps to that loop, and prints the record of both, as one. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/select.h>

#include "tests/victims/own_record.h"

static const char* call;

/* `count` is not known to the compiler, so that a fortified build checks it. */
static void wait_by_call(int fd, nfds_t count, int milliseconds) {
  struct pollfd polled[1] = {{fd, POLLIN, 0}};
  const struct timespec time = {0, milliseconds * 1000000};
  struct timeval copy = {0, milliseconds * 1000};
  fd_set set;
  FD_ZERO(&set);
  if (count) FD_SET(fd, &set);
  const int most = count ? fd + 1 : 0;
  if (!strcmp(call, "poll")) poll(polled, count, milliseconds);
  if (!strcmp(call, "ppoll")) ppoll(polled, count, &time, NULL);
  if (!strcmp(call, "select")) select(most, &set, NULL, NULL, &copy);
  if (!strcmp(call, "pselect")) pselect(most, &set, NULL, NULL, &time, NULL);
}

static void wait_on_pipe(struct own_loop* loop, int fd) {
  const int64_t entered_ns = own_now_ns();
  wait_by_call(fd, 1, 2);
  const int64_t left_ns = own_now_ns();
  own_iteration_ends(loop, entered_ns);
  loop->wait_ns += left_ns - entered_ns;
  loop->left_ns = left_ns;
  loop->waits++;
}

int main(int argc, char** argv) {
  int silent[2];
  if (argc < 2 || pipe(silent)) return 2;
  call = argv[1];
  struct own_loop loop = {.name = "main"};
  for (int i = 0; i < 10; i++) {
    wait_on_pipe(&loop, silent[0]);
    if (i == 4) wait_by_call(0, 0, 120);
  }
  if (argc > 2) {
    const int epoll = own_create();
    own_iteration_ends(&loop, own_now_ns()); /* with the first wait on the instance */
    for (int i = 0; i < 10; i++) {
      own_wait(&loop, epoll, 2);
      if (i == 4) wait_by_call(silent[0], 1, 120);
    }
    own_close(&loop, epoll);
  } else {
    own_iteration_ends(&loop, own_now_ns()); /* still open when the program ends */
    loop.iterations--;
  }
  own_print(&loop);
  return 0;
}
