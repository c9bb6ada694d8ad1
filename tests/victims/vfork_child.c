/* vfork_child HOW: between its waits it vforks a child which, in the parent's memory, does HOW to the number
 * of the parent's epoll instance: close, syscall, dup2, dup3, close_range, closefrom; or spawn: posix_spawn
 * of a program. What subprocess.run does. The parent then works until it is told to
 * go on, and waits on. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/victims/own_record.h"

extern char** environ;

static void close_how(const char* how, int number) {
  if (!strcmp(how, "close")) close(number);
  if (!strcmp(how, "syscall")) syscall(SYS_close, number);
  if (!strcmp(how, "dup2")) dup2(0, number);
  if (!strcmp(how, "dup3")) dup3(0, number, O_CLOEXEC);
#ifdef __GLIBC__
  if (!strcmp(how, "close_range")) close_range(3, ~0u, 0);
  if (!strcmp(how, "closefrom")) closefrom(3);
#endif
}

static pid_t vfork_and_close(const char* how, int number) {
  const pid_t pid = vfork();
  if (pid == 0) {
    close_how(how, number);
    _exit(0);
  }
  return pid;
}

static pid_t spawn(void) {
  pid_t pid;
  char* const arguments[] = {"true", NULL};
  if (posix_spawnp(&pid, "true", NULL, NULL, arguments, environ)) own_fail("posix_spawn");
  return pid;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  struct own_loop loop = {.name = "main"};
  const int epoll = own_create();
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
  const pid_t pid = !strcmp(argv[1], "spawn") ? spawn() : vfork_and_close(argv[1], epoll);
  if (pid < 0) own_fail("vfork");
  int status;
  if (waitpid(pid, &status, 0) != pid || status) return 1;
  own_hold("works");
  for (int i = 0; i < 4; i++) own_wait(&loop, epoll, 2);
  own_close(&loop, epoll);
  own_print(&loop);
  return 0;
}
