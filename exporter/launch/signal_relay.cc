#include "exporter/launch/signal_relay.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace looptap {

namespace {

constexpr int kMostGenerations = 1000;

/// Whether si_pid says who sent it.
bool has_sender(const siginfo_t& info) {
  return info.si_code == SI_USER || info.si_code == SI_QUEUE || info.si_code == SI_TKILL ||
         info.si_code == SI_MESGQ;
}

struct ProcessState {
  char letter = '?';
  pid_t parent = 0;
};

ProcessState state_of(pid_t pid) {
  ProcessState state;
  char path[32], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  FILE* const file = fopen(path, "re");
  if (!file) return state;
  const size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[size] = '\0';
  int parent = 0;
  if (const char* const after_comm = strrchr(text, ')'))
    if (sscanf(after_comm + 1, " %c %d", &state.letter, &parent) == 2) state.parent = parent;
  return state;
}

}  // namespace

bool SignalRelay::program_is_stopped() const {
  const char letter = state_of(program_).letter;
  return letter == 'T' || letter == 't';
}

bool SignalRelay::descends_from_program(pid_t pid) const {
  for (int generation = 0; generation < kMostGenerations && pid > 1; generation++) {
    if (pid == program_) return true;
    pid = state_of(pid).parent;
  }
  return false;
}

bool SignalRelay::is_for_program(const siginfo_t& info) const {
  if (info.si_code > 0) {
    switch (info.si_signo) {
      case SIGHUP:
      case SIGCONT:
        // A terminal that hangs up tells the session's leader alone.
        return getsid(0) == getpid();
      case SIGIO:
      case SIGURG:
        // To the owner of a descriptor, which was set before exec.
        return true;
      default:
        // The terminal's (Ctrl-C, SIGWINCH) go to the whole group, so the program has had them; the rest is about us.
        return false;
    }
  }
  if (!has_sender(info)) return true;
  if (info.si_pid == getpid()) return false;  // SIGPIPE, when nobody reads our stderr
  // What the program sends to its group has reached it, and what it sends to its parent was not meant for it; except that PID 1
  // is whom everybody in a container takes for the program.
  return getpid() == 1 || !descends_from_program(info.si_pid);
}

void SignalRelay::pass_on(const siginfo_t& info) const {
  if (!is_for_program(info)) return;
  // A value, and who sent it, can be handed on; the kernel lets nobody do so for what kill(2) has sent.
  siginfo_t copy = info;
  if (info.si_code < 0 && info.si_code != SI_TKILL &&
      syscall(SYS_rt_sigqueueinfo, program_, info.si_signo, &copy) == 0)
    return;
  kill(program_, info.si_signo);
}

}  // namespace looptap
