/* blocks_on_request PORT: a little HTTP server on an epoll loop. GET /?block=MS keeps the loop from everything else for so
 * many milliseconds, then answers; any other request is answered at once. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void answer(int connection) {
  char request[1024];
  const ssize_t size = read(connection, request, sizeof(request) - 1);
  if (size > 0) {
    request[size] = 0;
    const char* block = strstr(request, "?block=");
    const long ms = block ? strtol(block + 7, NULL, 10) : 0;
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    dprintf(connection, "HTTP/1.0 200 OK\r\n\r\nblocked for %ld ms\n", ms);
  }
  close(connection);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int one = 1;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(server, (struct sockaddr*)&address, sizeof(address)) || listen(server, 100)) return 1;
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = server};
  if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, server, &event)) return 1;
  for (;;) {
    if (epoll_wait(loop, &event, 1, -1) != 1) continue;
    if (event.data.fd != server) {
      answer(event.data.fd);
      continue;
    }
    event.data.fd = accept(server, NULL, NULL);
    if (event.data.fd >= 0) epoll_ctl(loop, EPOLL_CTL_ADD, event.data.fd, &event);
  }
}
