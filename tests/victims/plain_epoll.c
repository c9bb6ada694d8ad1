/* plain_epoll WAITS [TIMEOUT_MS]: one epoll instance without descriptors, so many waits that time out
 * (after 1 ms unless told otherwise). Prints how many waits returned. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const long waits = strtol(argv[1], NULL, 10);
  const int timeout_ms = argc > 2 ? atoi(argv[2]) : 1;
  const int loop = epoll_create1(0);
  if (loop < 0) return 1;
  long returned = 0;
  while (returned < waits) {
    struct epoll_event event;
    if (epoll_wait(loop, &event, 1, timeout_ms) < 0) return 1;
    returned++;
  }
  printf("%ld\n", returned);
  return 0;
}
