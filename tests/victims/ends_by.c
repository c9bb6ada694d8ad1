/* ends_by HOW TIMES: so many times, makes an epoll instance, waits on it ten times, and ends it by `close`, by
 * `syscall` (as libuv does), or not at all (`nothing`). Prints how many waits returned. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const long times = strtol(argv[2], NULL, 10);
  long returned = 0;
  for (long i = 0; i < times; i++) {
    const int loop = epoll_create1(0);
    for (int wait = 0; wait < 10; wait++) {
      struct epoll_event event;
      if (epoll_wait(loop, &event, 1, 1) != 0) return 1;
      returned++;
    }
    if (!strcmp(argv[1], "close") && close(loop)) return 1;
    if (!strcmp(argv[1], "syscall") && syscall(SYS_close, loop)) return 1;
  }
  printf("%ld\n", returned);
  return 0;
}
