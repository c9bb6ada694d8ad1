// The metrics of the exporter itself: looptap_*.
#pragma once

#include <string>
#include <vector>

#include "exporter/metrics/exposition/exposition.h"
#include "exporter/monitor/snapshot.h"

namespace looptap {

/// What they show. Holds references: for the call only.
struct ExporterFigures {
  const Snapshot& snapshot;
  const std::string& bpf_hook;  ///< where eBPF learns of waits; empty: there is none
  double last_scrape_seconds;
};

/// Thread-safe.
void add_exporter_families(const ExporterFigures& figures, SeriesWriter& writer,
                           std::vector<MetricFamily>& families);

}  // namespace looptap
