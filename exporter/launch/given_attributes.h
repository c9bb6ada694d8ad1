// What a process keeps over exec and does not hand to a child: without looptap the program would have it, so it is handed on
// by hand. Everything else (limits, umask, nice value, ignored signals, capabilities, cgroup, session, terminal, ...) a child
// has by itself, as long as looptap has not touched its own.
//
// Thread-safety: none; for a process without threads. Errors: none; what the kernel does not know stays as it is.
#pragma once

#include <sys/time.h>

#include <array>
#include <csignal>
#include <cstdint>

namespace looptap {

/// struct sched_attr of linux/sched/types.h, which does not go with sched.h.
struct SchedulingAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

class GivenAttributes {
 public:
  /// Takes them over from this process: blocks every signal and stops the timers.
  GivenAttributes();

  /// Gives them to this process, a child of the one that took them. Signals that came since then arrive now.
  void give() const noexcept;

  const sigset_t& mask() const { return mask_; }

 private:
  sigset_t mask_{};
  int parent_death_signal_ = 0;
  pid_t taker_;
  int is_subreaper_ = 0;
  long timer_slack_ns_ = -1;
  std::array<itimerval, 3> timers_{};  // by ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF: alarm(2) among them
  bool is_reset_by_fork_ = false;      // SCHED_RESET_ON_FORK
  SchedulingAttributes scheduling_{};
};

}  // namespace looptap
