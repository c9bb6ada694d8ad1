#include "exporter/launch/program_watch.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "exporter/base/descriptor.h"

namespace looptap {

namespace {

bool is_job_stop(int number) { return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU; }

bool job_stop_is_pending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTSTP) || sigismember(&pending, SIGTTIN) || sigismember(&pending, SIGTTOU);
}

/// Our terminal and who has it.
class Terminal {
 public:
  Terminal() : open_(open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {}
  pid_t foreground() const { return tcgetpgrp(open_.get()); }         ///< -1: there is none
  void give_to(pid_t group) const { tcsetpgrp(open_.get(), group); }  // SIGTTOU is blocked

 private:
  const Descriptor open_;
};

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
/// nobody would wake us with it, and a stopped program is what we are there to show. A shell, which has the terminal for a group
/// of its own, means us by its SIGSTOP (`suspend`).
void ProgramWatch::stop_likewise(int number) {
  const bool came = std::exchange(stop_came_, false) || job_stop_is_pending();
  const pid_t foreground = Terminal().foreground();
  const bool has_terminal = foreground > 0 && foreground == getpgid(program_);
  if (came || (has_terminal && (is_job_stop(number) || foreground != getpgrp()))) stop(number);
}

void ProgramWatch::stop(int number) {
  const Terminal terminal;
  const pid_t group = getpgid(program_);
  const bool has_terminal = terminal.foreground() == group;
  resumed_ = true;
  siginfo_t seen;  // or this very stop would be seen anew, afterwards
  waitid(P_PID, static_cast<id_t>(program_), &seen, WSTOPPED | WNOHANG);
  suffer(number);
  // The shell gives it to our group, which may not be the program's.
  if (has_terminal && group != getpgrp() && terminal.foreground() == getpgrp()) terminal.give_to(group);
}

void ProgramWatch::take(const siginfo_t& info) {
  if (is_job_stop(info.si_signo)) {
    if (relay_.program_is_stopped()) return stop(info.si_signo);
    stop_came_ = true;
  }
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
