// A stall as it is seen from outside: that it has begun, that it still lasts, that it has ended.
//
// Whoever wants to know hands LoopMonitor a StallListener. It is called while the monitor is locked, by whichever thread polls
// (the monitor's own each second, or a scrape): it must be quick and must not call the monitor. What it throws is
// counted in looptap_errors_total{where="stall_listener"} and costs nobody else anything.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace looptap {

enum class StallEventKind {
  kBegin,  ///< a loop has been blocked for the stall threshold
  kStill,  ///< it still is, at a later poll
  kEnd     ///< it is no more, or its process is dead
};

/// Texts and references hold during the call only. Instants are CLOCK_MONOTONIC nanoseconds.
struct StallEvent {
  StallEventKind kind;
  const std::string &process, &pid;  ///< its labels
  std::optional<pid_t> our_pid;      ///< in our PID namespace, where /proc shows it
  uint64_t loop_id;                  ///< LoopSnapshot::id
  uint32_t ordinal;
  const std::string& thread_name;
  uint32_t thread_id;  ///< in the process' PID namespace
  uint64_t began_ns;   ///< 0: it was over before it was seen
  uint64_t
      duration_ns;  ///< so far; of one that has ended what its bucket tells (within 2.2 %), or what was last seen
  uint64_t
      count;  ///< of stalls that this event stands for; 1 but where several were over before they were seen
  bool died;  ///< the process did, in the stall
};

using StallListener = std::function<void(const StallEvent&)>;

}  // namespace looptap
