/* chrooted FOLDER WHEN: makes FOLDER its root, where there is no /proc, before or after it has made its epoll
 * instance, and runs its loop there. */
#define _GNU_SOURCE
#include <string.h>

#include "tests/victims/own_record.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  struct own_loop loop = {.name = "main"};
  int epoll = -1;
  if (!strcmp(argv[2], "after")) epoll = own_create();
  if (chroot(argv[1]) || chdir("/")) own_fail("chroot");
  if (epoll < 0) epoll = own_create();
  for (int i = 0; i < 6; i++) own_wait(&loop, epoll, 2);
  own_close(&loop, epoll);
  own_print(&loop);
  return 0;
}
