// The metrics of loops: for each loop its series, or for each process those of all its loops together.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "exporter/metrics/collector_settings.h"
#include "exporter/metrics/exposition/exposition.h"
#include "exporter/metrics/monotonic_counters.h"
#include "exporter/monitor/loop_monitor.h"

namespace looptap {

/// Of one scrape. Not thread-safe.
class LoopFamilies {
 public:
  /// \param stall_bound the stall threshold, as a bound of the histogram scheme.
  LoopFamilies(const CollectorSettings& settings, uint32_t stall_bound, SeriesWriter& writer,
               MonotonicCounters& shown);
  ~LoopFamilies();

  /// The loops of a process come one after the other.
  void add(const LoopView& loop);

  /// There are no more loops of the process that the last ones were of.
  void finish_process();

  void move_to(std::vector<MetricFamily>& families);

 private:
  struct Subject;
  struct WholeProcess;

  void show(const Subject& subject);
  ClassicHistogram show_durations(MetricFamily& family, const DurationHistogram& durations,
                                  const Bounds& bounds_ns, const LabelNumbers& bounds);

  /// Where the format has them. Valid until it is called again.
  template <typename Histogram>
  const NativeHistogram* native_of(const Histogram& histogram);

  const CollectorSettings& settings_;
  const uint32_t stall_bound_;
  SeriesWriter& writer_;
  MonotonicCounters& shown_;
  LabelNumbers quantiles_, latency_bounds_;
  std::unique_ptr<WholeProcess> whole_process_;  // all of its loops so far
  NativeHistogram native_;

  MetricFamily latency_{
      "eventloop_latency_seconds",
      "What an event that arrives at a random instant waits until the loop next polls; one observation "
      "per millisecond observed.",
      MetricType::kHistogram,
      {}};
  MetricFamily latency_quantile_{"eventloop_latency_quantile_seconds",
                                 "Quantiles of the loop latency over the sliding window.",
                                 MetricType::kSummary,
                                 {}};
  MetricFamily iteration_{"eventloop_iteration_seconds",
                          "Closed iterations: from the return of the last wait to the next wait.",
                          MetricType::kHistogram,
                          {}};
  MetricFamily iteration_quantile_{"eventloop_iteration_quantile_seconds",
                                   "Quantiles of the iterations that closed in the sliding window.",
                                   MetricType::kSummary,
                                   {}};
  MetricFamily wakeup_delay_{"eventloop_wakeup_delay_seconds",
                             "How late waits that timed out have woken.",
                             MetricType::kHistogram,
                             {}};
  MetricFamily event_queue_{
      "eventloop_event_queue_seconds",
      "How long the oldest event that a wait returned had been ready; one observation for "
      "each wait that returned such.",
      MetricType::kHistogram,
      {}};
  MetricFamily busy_{"eventloop_busy_seconds_total",
                     "Time away from waiting, and in waits with timeout 0.",
                     MetricType::kCounter,
                     {}};
  MetricFamily wait_{
      "eventloop_wait_seconds_total", "Time in waits that may sleep.", MetricType::kCounter, {}};
  MetricFamily blocked_{
      "eventloop_blocked_seconds",
      "How long the loop has now been away from waiting, or late in its wait; 0 while it waits.",
      MetricType::kGauge,
      {}};
  MetricFamily stalls_{"eventloop_stalls_total",
                       "Iterations longer than looptap_stall_threshold_seconds.",
                       MetricType::kCounter,
                       {}};
  MetricFamily waits_{"eventloop_waits_total", "Waits that have returned.", MetricType::kCounter, {}};
  MetricFamily events_{
      "eventloop_events_total", "Events that the waits have returned.", MetricType::kCounter, {}};
  MetricFamily thread_cpu_{"eventloop_thread_cpu_seconds_total",
                           "Time that the loop's thread has run on a CPU.",
                           MetricType::kCounter,
                           {}};
  MetricFamily thread_runqueue_{"eventloop_thread_runqueue_seconds_total",
                                "Time that the loop's thread was ready to run and got no CPU, or no quota.",
                                MetricType::kCounter,
                                {}};
};

}  // namespace looptap
