/* tells_signals [stop]: prints each signal that it gets, "NUMBER by PID" and ", value N" where it has one, "ready" before the first. SIGTERM
 * ends it, with status 9; with "stop" SIGTSTP stops it, after it has told. A line on its stdin "parent N" or "group N" makes it send N there. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int take_command(void) {
  char line[64], whom[16];
  int number;
  if (!fgets(line, sizeof line, stdin)) return 0;
  if (sscanf(line, "%15s %d", whom, &number) != 2) return 1;
  const int failed = kill(strcmp(whom, "parent") == 0 ? getppid() : 0, number);
  printf("%s\n", failed ? "failed" : "sent");
  return 1;
}

int main(int argc, char** argv) {
  (void)argv;
  setvbuf(stdout, NULL, _IOLBF, 0);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  struct pollfd from[] = {{.fd = signalfd(-1, &all, SFD_CLOEXEC), .events = POLLIN},
                          {.fd = 0, .events = POLLIN}};
  puts("ready");
  for (;;) {
    poll(from, 2, -1);
    if (from[1].revents && !take_command()) from[1].fd = -1;
    if (!from[0].revents) continue;
    struct signalfd_siginfo info;
    if (read(from[0].fd, &info, sizeof info) != sizeof info) return 3;
    printf("%u by %u", info.ssi_signo, info.ssi_pid);
    if (info.ssi_code == SI_QUEUE) printf(", value %d", info.ssi_int);
    puts("");
    if (info.ssi_signo == SIGTSTP && argc > 1) raise(SIGSTOP);
    if (info.ssi_signo == SIGTERM) return 9;
  }
}
