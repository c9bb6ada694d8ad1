// Passes signals on to the program: each one once, and none that has reached it already or was not meant for it.
//
// Thread-safety: none. Errors: none; a program that is gone gets none.
#pragma once

#include <sys/types.h>

#include <csignal>

namespace looptap {

class SignalRelay {
 public:
  explicit SignalRelay(pid_t program) : program_(program) {}

  /// \param info of a signal that this process has got.
  void pass_on(const siginfo_t& info) const;

  /// Whether the program is stopped, as far as /proc tells.
  bool program_is_stopped() const;

 private:
  bool is_for_program(const siginfo_t& info) const;
  bool descends_from_program(pid_t pid) const;

  const pid_t program_;
};

}  // namespace looptap
