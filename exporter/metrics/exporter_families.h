// The metrics of the exporter itself, looptap_*: those that this process counts (exporter/self), and those that are read
// anew at each scrape: facts, settings, and what segments, BPF programs and the monitor know.
//
// Thread-safe. Errors: std::bad_alloc alone. Units: base units, as in the names.
#pragma once

#include <string>
#include <vector>

#include "exporter/metrics/exposition/exposition.h"
#include "exporter/monitor/snapshot.h"

namespace looptap {

/// What is read anew. Holds references: for the call only.
struct ExporterFigures {
  const Snapshot& snapshot;
  const std::string& bpf_hook;  ///< where eBPF learns of waits; empty: there is none
};

/// Appends them by name, their series by label.
void add_exporter_families(const ExporterFigures& figures, SeriesWriter& writer,
                           std::vector<MetricFamily>& families);

}  // namespace looptap
