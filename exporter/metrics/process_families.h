// The metrics of processes: where they run, and the figures that /proc has of them.
//
// Of one scrape. Not thread-safe. Throws nothing but for want of memory. In base units.
#pragma once

#include <vector>

#include "exporter/metrics/exposition/exposition.h"
#include "exporter/monitor/snapshot.h"

namespace looptap {

class ProcessFamilies {
 public:
  /// \param writer must outlive it.
  explicit ProcessFamilies(SeriesWriter& writer);

  void add(const ProcessSnapshot& process);

  void move_to(std::vector<MetricFamily>& families);

 private:
  SeriesWriter& writer_;
  MetricFamily info_{"eventloop_process_info",
                     "The living processes and their PID namespaces; always 1.",
                     MetricType::kGauge,
                     {}};
  MetricFamily target_{"looptap_target_info",
                       "Where the living processes run, as their cgroups tell, if they do; always 1.",
                       MetricType::kGauge,
                       {}};
  std::vector<MetricFamily> scalars_;  // as kProcessScalars
};

}  // namespace looptap
