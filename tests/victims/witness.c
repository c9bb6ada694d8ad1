/* witness FILE [exit N | signal N]: writes to FILE what a process can see of itself, a line "name: value" each, and then ends as told:
 * what it prints is to be the same with and without a wrapper around it. No number that is a process' own is printed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char** environ;

static FILE* out;

/* Lines of a file under /proc/self, each with the name before it. */
static void print_lines(const char* name) {
  char path[64], line[4096];
  snprintf(path, sizeof path, "/proc/self/%s", name);
  FILE* file = fopen(path, "re");
  if (!file) {
    fprintf(out, "%s: %s\n", name, strerror(errno));
    return;
  }
  while (fgets(line, sizeof line, file)) fprintf(out, "%s: %s", name, line);
  fclose(file);
}

/* Of /proc/self/status what is given to a process: signals, credentials, capabilities, umask, seccomp, CPUs. */
static void print_status(void) {
  static const char* const wanted[] = {
      "Umask",        "Uid",          "Gid",         "Groups",      "Threads", "SigPnd",
      "ShdPnd",       "SigBlk",       "SigIgn",      "SigCgt",      "CapInh",  "CapPrm",
      "CapEff",       "CapBnd",       "CapAmb",      "NoNewPrivs",  "Seccomp", "Speculation",
      "Cpus_allowed", "Mems_allowed", "CoreDumping", "THP_enabled", "Name"};
  char line[4096];
  FILE* file = fopen("/proc/self/status", "re");
  if (!file) return;
  while (fgets(line, sizeof line, file))
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
      const size_t length = strlen(wanted[i]);
      if (strncmp(line, wanted[i], length) == 0 && line[length] == ':') fprintf(out, "status %s", line);
    }
  fclose(file);
}

static void print_descriptors(void) {
  DIR* open = opendir("/proc/self/fd");
  const struct dirent* entry;
  while (open && (entry = readdir(open))) {
    const int fd = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(open) || fd == fileno(out)) continue;
    char path[300], target[4096];
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    const ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = '\0';
    fprintf(out, "descriptor %d: %s flags %o %o offset %lld\n", fd, target, fcntl(fd, F_GETFL),
            fcntl(fd, F_GETFD), (long long)lseek(fd, 0, SEEK_CUR));
  }
  if (open) closedir(open);
}

static void print_timers(void) {
  static const char* const names[] = {"real", "virtual", "prof"};
  for (int kind = ITIMER_REAL; kind <= ITIMER_PROF; kind++) {
    struct itimerval timer;
    getitimer((__itimer_which_t)kind, &timer);
    fprintf(out, "timer %s: %s, every %ld s\n", names[kind], timerisset(&timer.it_value) ? "set" : "off",
            (long)timer.it_interval.tv_sec);
  }
  const int slack = prctl(PR_GET_TIMERSLACK);
  prctl(PR_SET_TIMERSLACK, 0);
  fprintf(out, "timer slack: %d, by default %d\n", slack, prctl(PR_GET_TIMERSLACK));
}

static void print_processes(void) {
  fprintf(out, "session: %d\ngroup: %d\n", getsid(0), getpgrp());
  const int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) {
    fprintf(out, "terminal: none\n");
  } else {
    fprintf(out, "terminal: session %d, foreground %d\n", tcgetsid(terminal), tcgetpgrp(terminal));
    close(terminal);
  }
  int number = 0;
  prctl(PR_GET_PDEATHSIG, &number);
  fprintf(out, "signal at the parent's death: %d\n", number);
  prctl(PR_GET_CHILD_SUBREAPER, &number);
  fprintf(out, "subreaper: %d\n", number);
  errno = 0;
  const pid_t child = waitpid(-1, NULL, WNOHANG | __WALL);
  fprintf(out, "children: %d %s\n", child, strerror(errno));
  fprintf(out, "dumpable: %d\nkeep capabilities: %d\nsecure bits: %d\nno new privileges: %d\n",
          prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS),
          prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void print_scheduling(void) {
  struct sched_param parameters;
  sched_getparam(0, &parameters);
  fprintf(out, "scheduler: policy %d priority %d nice %d io %ld\n", sched_getscheduler(0),
          parameters.sched_priority, getpriority(PRIO_PROCESS, 0), syscall(SYS_ioprio_get, 1, 0));
  int policy = -1;
  syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0);
  fprintf(out, "memory policy: %d\npersonality: %x\n", policy, (unsigned)personality(0xffffffff));
}

/* Also those that libc hides (32, 33), as the kernel has them. */
static void print_dispositions(void) {
  for (int number = 1; number <= 64; number++) {
    struct {
      void* handler;
      unsigned long flags;
      void* restorer;
      unsigned long mask;
    } action = {0};
    if (syscall(SYS_rt_sigaction, number, NULL, &action, 8) == 0)
      fprintf(out, "signal %d: handler %p flags %lx mask %lx\n", number, action.handler, action.flags,
              action.mask);
  }
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  out = fopen(argv[1], "we");
  if (!out) return 3;
  for (int i = 0; i < argc; i++) fprintf(out, "argument %d: %s\n", i, argv[i]);
  for (int i = 0; environ[i]; i++) fprintf(out, "environment %d: %s\n", i, environ[i]);
  print_dispositions();
  print_status();
  print_descriptors();
  print_timers();
  print_processes();
  print_scheduling();
  for (int i = 0; i < RLIM_NLIMITS; i++) {
    struct rlimit limit;
    getrlimit((__rlimit_resource_t)i, &limit);
    fprintf(out, "limit %d: %llu %llu\n", i, (unsigned long long)limit.rlim_cur,
            (unsigned long long)limit.rlim_max);
  }
  static const char* const files[] = {"cgroup",   "oom_score_adj", "coredump_filter", "autogroup",
                                      "loginuid", "uid_map",       "attr/current",    "timerslack_ns"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) print_lines(files[i]);
  static const char* const links[] = {"cwd",
                                      "root",
                                      "exe",
                                      "ns/mnt",
                                      "ns/net",
                                      "ns/pid",
                                      "ns/user",
                                      "ns/ipc",
                                      "ns/uts",
                                      "ns/cgroup",
                                      "ns/pid_for_children",
                                      "ns/time_for_children"};
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    char path[64], target[4096];
    snprintf(path, sizeof path, "/proc/self/%s", links[i]);
    const ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = '\0';
    fprintf(out, "%s: %s\n", links[i], target);
  }
  if (fclose(out)) return 4;
  if (argc < 4) return 0;
  const int number = atoi(argv[3]);
  if (strcmp(argv[2], "exit") == 0) _exit(number);
  kill(getpid(), number);
  return 5;
}
