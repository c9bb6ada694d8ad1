/* syscall_function FILE: calls syscall() with six arguments that all matter, with one that fails, and with
 * SYS_close, once before the constructor of any preloaded library has run (glibc has .preinit_array) and once
 * from main(). FILE's second page is mapped, and must begin with "second page". Prints a line for each time:
 * what came of it, and how many calls count_syscalls.so has seen arrive behind the probe. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((weak)) unsigned long counted_syscalls(void);

static struct result {
  int six_arguments, failing[2], closing[2], good_close[2];
  unsigned long counted;
} early, late;
static int early_ran;

static void try_all(struct result* result, const char* path) {
  const unsigned long before = counted_syscalls ? counted_syscalls() : 0;
  const int fd = open(path, O_RDONLY);
  char* place = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char* mapped = (char*)syscall(SYS_mmap, place, 4096l, (long)PROT_READ, (long)(MAP_SHARED | MAP_FIXED),
                                (long)fd, 4096l);
  result->six_arguments = mapped == place && !memcmp(mapped, "second page", 11);

  errno = 0;
  result->failing[0] = (int)syscall(SYS_lseek, -1, 0l, SEEK_SET);
  result->failing[1] = errno;
  errno = 0;
  result->closing[0] = (int)syscall(SYS_close, -1);
  result->closing[1] = errno;
  errno = 77;
  result->good_close[0] = (int)syscall(SYS_close, fd);
  result->good_close[1] = errno;
  result->counted = (counted_syscalls ? counted_syscalls() : 0) - before;
}

#ifdef __GLIBC__
static void try_early(int argc, char** argv, char** environment) {
  (void)environment;
  if (argc < 2) return;
  try_all(&early, argv[1]);
  early_ran = 1;
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char**,
                                                                              char**) = try_early;
#endif

static void print(const char* when, const struct result* result) {
  printf("%s: six arguments %s, failing %d %d, closing %d %d, good close %d %d, counted %lu\n", when,
         result->six_arguments ? "arrive" : "do not arrive", result->failing[0], result->failing[1],
         result->closing[0], result->closing[1], result->good_close[0], result->good_close[1],
         result->counted);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try_all(&late, argv[1]);
  if (early_ran) print("early", &early);
  print("main", &late);
  return 0;
}
