// Waits for the program's end. Meanwhile signals are passed on, looptap stops and goes on with the program as a job of a shell
// does, and what is reparented to us (as PID 1) is reaped.
//
// Thread-safety: none; call it in the thread that has forked, with every signal blocked in all threads. Errors: none.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>

#include "exporter/launch/program_end.h"
#include "exporter/launch/signal_relay.h"

namespace looptap {

class ProgramWatch {
 public:
  /// \param program a child of this process.
  explicit ProgramWatch(pid_t program);

  /// Returns at the program's end, and never while it lives.
  ProgramEnd wait();

 private:
  std::optional<ProgramEnd> reap();
  void stop_likewise(int number);
  void stop(int number);
  void take(const siginfo_t& info);

  const pid_t program_;
  const SignalRelay relay_;
  bool stop_came_ = false;  // to us, too: Ctrl-Z, or a read from the terminal in the background
  bool resumed_ = false;    // the SIGCONT of that has not been seen yet
};

}  // namespace looptap
