/* blocking_calls CALL: in each of 3 rounds its loop waits 5 times for 2 ms, and then calls something for 120
 * ms: nothing, sleep, poll, ppoll, select, pselect, or epoll (a wait on an instance made for it). What a
 * blocking HTTP client does. Prints its own record of the loop. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/select.h>

#include "tests/victims/own_record.h"

enum { kBlocked_ms = 120 };

static void block(const char* call, int silent) {
  struct pollfd polled = {silent, POLLIN, 0};
  const struct timespec time = {0, kBlocked_ms * 1000000};
  struct timeval copy = {0, kBlocked_ms * 1000};
  fd_set set;
  FD_ZERO(&set);
  FD_SET(silent, &set);
  if (!strcmp(call, "sleep")) {
    own_sleep_ms(kBlocked_ms);
  } else if (!strcmp(call, "poll")) {
    poll(&polled, 1, kBlocked_ms);
  } else if (!strcmp(call, "ppoll")) {
    ppoll(&polled, 1, &time, NULL);
  } else if (!strcmp(call, "select")) {
    select(silent + 1, &set, NULL, NULL, &copy);
  } else if (!strcmp(call, "pselect")) {
    pselect(silent + 1, &set, NULL, NULL, &time, NULL);
  } else if (!strcmp(call, "epoll")) {
    const int second = own_create();
    struct epoll_event event;
    own_add(second, silent);
    epoll_wait(second, &event, 1, kBlocked_ms);
    close(second);
  }
}

int main(int argc, char** argv) {
  int silent[2];
  if (argc < 2 || pipe(silent)) return 2;
  struct own_loop loop = {.name = "main"};
  const int epoll = own_create();
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 5; i++) own_wait(&loop, epoll, 2);
    block(argv[1], silent[0]);
  }
  own_wait(&loop, epoll, 2);
  own_close(&loop, epoll);
  own_print(&loop);
  return 0;
}
