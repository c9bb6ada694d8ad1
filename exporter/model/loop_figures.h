// Every scalar figure of one loop that is derived from its sample, computed once and in one place. Metrics, JSON, the page,
// the table of `run` and whatever comes next read these; none of them derives a figure by itself.
//
// Values and a pure function: thread-safe. Nothing throws but for want of memory. Durations are in nanoseconds
// (`_ns`) or, where a figure is no integer, in seconds (`_seconds`); what is not known is kNotKnown or NaN.
#pragma once

#include <cstdint>
#include <vector>

#include "exporter/model/latency.h"
#include "exporter/model/loop_sample.h"

namespace looptap {

enum class LoopState {
  kEnded,    ///< its process is dead
  kDormant,  ///< nobody waits and no iteration is open
  kWaiting,  ///< in a wait that may sleep
  kBusy,     ///< away from waiting, or in a wait with timeout 0
  kBlocked,  ///< for at least the stall threshold
  kFrozen    ///< for at least that, and a second: a person would notice
};
const char* name_of(LoopState state);

struct LoopFigures {
  static constexpr uint64_t kNotKnown = UINT64_MAX;

  // Over the loop's whole life, what is open counted in.
  uint64_t busy_ns = 0, wait_ns = 0;  ///< the two parts of T of docs/design.md
  uint64_t stalls = 0;                ///< iterations of at least the stall threshold
  uint64_t waits = 0, events = 0;     ///< waits that returned, and events that they returned
  uint64_t iterations = 0;            ///< closed ones
  uint64_t longest_iteration_ns = 0;  ///< its bucket's mean, or its upper bound where buckets carry no sums

  // Now.
  LoopState state = LoopState::kDormant;
  uint64_t blocked_ns = 0;  ///< age of the open iteration or of a late wait; 0: the loop waits, or is dead

  // In the window.
  std::vector<double> latency_seconds, iteration_seconds;    ///< by FigureSettings::quantiles
  double p50_seconds = 0, p95_seconds = 0, p99_seconds = 0;  ///< of the latency
  double iterations_per_second = 0;
  // In the last minute.
  double utilization = 0;  ///< busy share of T

  // Of the thread that first waited on it, as the kernel counts.
  uint64_t thread_cpu_ns = kNotKnown, thread_runqueue_ns = kNotKnown;

  /// Busy share of T over the loop's whole life; NaN where nothing was observed.
  double lifetime_utilization() const;
};

/// The same for all loops of one exporter.
struct FigureSettings {
  uint32_t stall_bound = 0;       ///< the stall threshold, as a bound of the histogram scheme
  std::vector<double> quantiles;  ///< 0 .. 1, ascending
};

/// What a sample alone does not say.
struct LoopContext {
  bool alive = true;            ///< its process
  uint64_t stopped_for_ns = 0;  ///< its process, as its state letter says (SIGSTOP, a tracer); 0: it is not
  double utilization = 0;       ///< of the last minute
  uint64_t thread_cpu_ns = LoopFigures::kNotKnown, thread_runqueue_ns = LoopFigures::kNotKnown;
};

/// \param window what was observed in --latency.window, up to the sample.
LoopFigures loop_figures(const LoopSample& sample, const Observed& window, const LoopContext& context,
                         const FigureSettings& settings);

}  // namespace looptap
