#include "exporter/launch/program_watch.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace looptap {

namespace {

bool is_job_stop(int number) { return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU; }

bool job_stop_is_pending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTSTP) || sigismember(&pending, SIGTTIN) || sigismember(&pending, SIGTTOU);
}

bool in_foreground() {
  const int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (terminal < 0) return false;
  const bool ours = tcgetpgrp(terminal) == getpgrp();
  close(terminal);
  return ours;
}

}  // namespace

ProgramWatch::ProgramWatch(pid_t program) : program_(program), relay_(program) {
  // Where it was ignored when we were started, children would vanish unseen.
  signal(SIGCHLD, SIG_DFL);
}

std::optional<ProgramEnd> ProgramWatch::reap() {
  for (;;) {
    siginfo_t child{};
    if (waitid(P_ALL, 0, &child, WEXITED | WSTOPPED | WNOHANG)) {
      if (errno == EINTR) continue;
      return ProgramEnd{false, 255};  // no child at all: somebody in this process has waited for it
    }
    if (!child.si_pid) return std::nullopt;
    if (child.si_pid != program_) continue;  // an orphan
    switch (child.si_code) {
      case CLD_EXITED:
        return ProgramEnd{false, child.si_status};
      case CLD_KILLED:
      case CLD_DUMPED:
        return ProgramEnd{true, child.si_status};
      case CLD_STOPPED:
        stop_likewise(child.si_status);
        break;
    }
  }
}

/// Gives the shell its prompt where it would have it without us. Not at a SIGSTOP that somebody sends to the program alone:
/// nobody would wake us with it, and a stopped program is what we are there to show.
void ProgramWatch::stop_likewise(int number) {
  const bool came = stop_came_ || job_stop_is_pending();
  stop_came_ = false;
  if (!came && !(is_job_stop(number) && in_foreground())) return;
  resumed_ = true;
  suffer(number);
}

void ProgramWatch::take(const siginfo_t& info) {
  if (is_job_stop(info.si_signo)) stop_came_ = true;
  if (info.si_signo == SIGCONT) {
    stop_came_ = false;
    // A shell's `fg` continues the whole group, and the program saw its SIGCONT when we saw ours.
    if (std::exchange(resumed_, false) && !relay_.program_is_stopped()) return;
  }
  relay_.pass_on(info);
}

ProgramEnd ProgramWatch::wait() {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    if (const auto end = reap()) return *end;
    siginfo_t info{};
    if (sigwaitinfo(&all, &info) > 0) take(info);
  }
}

}  // namespace looptap
