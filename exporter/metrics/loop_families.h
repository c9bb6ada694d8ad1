// The metrics of loops: for each loop its series, or for each process those of all its loops together.
//
// Of one scrape. Not thread-safe. Throws nothing but for want of memory. Durations inside are nanoseconds, seconds in what is
// served.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "exporter/metrics/collector_settings.h"
#include "exporter/metrics/exposition/exposition.h"
#include "exporter/metrics/monotonic_counters.h"
#include "exporter/monitor/snapshot.h"

namespace looptap {

class LoopFamilies {
 public:
  /// All three must outlive it.
  LoopFamilies(const CollectorSettings& settings, SeriesWriter& writer, MonotonicCounters& shown);

  /// \param snapshot that the process is part of.
  void add(const ProcessSnapshot& process, const Snapshot& snapshot);

  void move_to(std::vector<MetricFamily>& families);

 private:
  struct SeriesInput;
  struct ProcessAggregate;

  void add_series(const SeriesInput& input, const LabelNumbers& quantiles);
  ClassicHistogram add_durations(MetricFamily& family, const DurationHistogram& durations,
                                 const Bounds& bounds_ns, const LabelNumbers& bounds);

  /// Where the format has them. Valid until it is called again.
  template <typename Histogram>
  const NativeHistogram* native_of(const Histogram& histogram);

  const CollectorSettings& settings_;
  SeriesWriter& writer_;
  MonotonicCounters& shown_;
  LabelNumbers latency_bounds_;
  NativeHistogram native_;

  MetricFamily latency_, latency_quantile_, iteration_, iteration_quantile_, wakeup_delay_, event_queue_;
  std::vector<MetricFamily> scalars_;  // as kLoopScalars
};

}  // namespace looptap
