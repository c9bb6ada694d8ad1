/* many_instances in_turn N: makes N epoll instances, one after the other, waits twice on each and closes it.
 *
 * many_instances at_once N [hold]: makes N of them, waits on each twice, in turns, and closes them; told to
 * hold, it goes on when it is told to, after the first and after the last of them has been waited on. */
#include <string.h>

#include "tests/victims/own_record.h"

static void one_after_the_other(int count) {
  for (int i = 0; i < count; i++) {
    struct epoll_event event;
    const int epoll = own_create();
    epoll_wait(epoll, &event, 1, 0);
    epoll_wait(epoll, &event, 1, 0);
    close(epoll);
  }
}

static void all_at_once(int count, int hold) {
  int* epolls = calloc((size_t)count, sizeof *epolls);
  struct epoll_event event;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < count; i++) {
      if (!round) epolls[i] = own_create();
      epoll_wait(epolls[i], &event, 1, 0);
      if (hold && !round && i == 0) own_hold("one");
    }
  }
  if (hold) own_hold("all");
  for (int i = 0; i < count; i++) close(epolls[i]);
  free(epolls);
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int count = atoi(argv[2]);
  if (!strcmp(argv[1], "in_turn"))
    one_after_the_other(count);
  else
    all_at_once(count, argc > 3);
  printf("%d\n", 2 * count);
  return 0;
}
