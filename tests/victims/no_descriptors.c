/* no_descriptors FREE: takes all descriptor numbers that it may but for FREE, makes an epoll instance with
 * one of these, and waits on it 5 times. Prints its own record, the number of the instance, and how many
 * numbers were left then. */
#include <fcntl.h>
#include <sys/resource.h>

#include "tests/victims/own_record.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const struct rlimit most = {32, 32};
  int fd, taken[32], count = 0;
  if (setrlimit(RLIMIT_NOFILE, &most)) own_fail("setrlimit");
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) taken[count++] = fd;
  for (int i = atoi(argv[1]); i > 0 && count > 0; i--) close(taken[--count]);

  struct own_loop loop = {.name = "main"};
  const int epoll = own_create();
  for (int i = 0; i < 5; i++) own_wait(&loop, epoll, 2);
  int left = 0;
  while (open("/dev/null", O_RDONLY) >= 0) left++;
  own_close(&loop, epoll);
  own_print(&loop);
  printf("number %d, then %d left\n", epoll, left);
  return 0;
}
