/* reused_number HOW WHAT: waits 4 times on an epoll instance, ends it HOW (close, close_range, closefrom,
 * dup2, dup3, or syscall as libuv does; keep: not at all; failing_dup2, failing_dup3: in vain), and goes on when it is told to. Meanwhile its
 * number stands for WHAT: a socket, on which it waits in vain, or another epoll instance, on which it waits 4
 * times more and which it closes. Prints its own record. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/victims/own_record.h"

static struct own_loop loop = {.name = "main"};

static void wait_four_times(int epoll) {
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
}

static int make(const char* what) {
  return !strcmp(what, "socket") ? socket(AF_UNIX, SOCK_STREAM, 0) : epoll_create1(0);
}

/* Ends what `number` stands for and makes it stand for something new. */
static int replace(const char* how, int number, const char* what) {
  int made = -1;
  own_iteration_ends(&loop, own_now_ns());
  if (!strcmp(how, "close")) {
    close(number);
  } else if (!strcmp(how, "syscall")) {
    syscall(SYS_close, number);
#ifdef __GLIBC__
  } else if (!strcmp(how, "close_range")) {
    close_range((unsigned)number, (unsigned)number, 0);
  } else if (!strcmp(how, "closefrom")) {
    closefrom(number);
#endif
  } else if (!strcmp(how, "dup2") || !strcmp(how, "dup3")) {
    made = make(what);
    if ((!strcmp(how, "dup2") ? dup2(made, number) : dup3(made, number, O_CLOEXEC)) != number) return -1;
    close(made);
    return number;
  } else {
    return -1;
  }
  return make(what);
}

/* Whether `how` leaves the number as it is; a call that should fail has then failed. */
static int keeps(const char* how, int number) {
  if (!strcmp(how, "failing_dup2")) return dup2(-1, number) == -1 && errno == EBADF;
  if (!strcmp(how, "failing_dup3")) return dup3(-1, number, O_CLOEXEC) == -1 && errno == EBADF;
  return !strcmp(how, "keep");
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int number = own_create();
  wait_four_times(number);
  if (!keeps(argv[1], number) && replace(argv[1], number, argv[2]) != number) return 3;
  own_hold("replaced");
  if (!strcmp(argv[2], "socket")) {
    struct epoll_event event;
    for (int i = 0; i < 3; i++)
      if (epoll_wait(number, &event, 1, 0) != -1 || errno != EINVAL) return 4;
    close(number);
  } else {
    wait_four_times(number);
    own_close(&loop, number);
  }
  own_print(&loop);
  return 0;
}
