// How a child has ended, and ending likewise.
//
// Thread-safety: end_likewise() may be called in any thread. Errors: none.
#pragma once

#include <csignal>

namespace looptap {

struct ProgramEnd {
  bool by_signal = false;
  int number = 0;  ///< the signal's, or the exit status
};

/// Ends this process as the program has ended: with its exit status, or by the same signal, so that who waits for us is told
/// what it would be told without us (a shell shows 128 + n). Without a core: the program's own is the one to look at. PID 1
/// of a namespace cannot be killed from within and exits with 128 + n.
[[noreturn]] void end_likewise(const ProgramEnd& end) noexcept;

/// Lets a signal that all threads have blocked do to this process what it does by default. \return if we live on
void suffer(int number) noexcept;

}  // namespace looptap
