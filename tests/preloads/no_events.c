/* Harm done on purpose: epoll_wait never tells of an event. */
#include <stddef.h>
#include <sys/epoll.h>

int epoll_wait(int fd, struct epoll_event* events, int most, int timeout_ms) {
  (void)fd;
  (void)events;
  (void)most;
  (void)timeout_ms;
  return 0;
}
