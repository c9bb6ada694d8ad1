// Everything that is shown of all processes and loops at one instant: what every consumer (metrics, JSON, page, table of
// `run`, and whatever comes next) reads, and nothing upstream of it.
//
// A value that holds all that it needs: thread-safe once made, and as old as taken_ns says. Instants are CLOCK_MONOTONIC
// nanoseconds, durations nanoseconds. It copies the samples, which takes some 2 % of a scrape; in return nobody waits for a consumer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exporter/model/loop_figures.h"
#include "exporter/model/loop_sample.h"
#include "exporter/procfs/process_figures.h"
#include "exporter/sources/loop_source.h"

namespace looptap {

struct LoopSnapshot {
  uint64_t id = 0;  ///< no other loop has or had it, as long as this exporter runs
  LoopSample sample;
  Observed
      window;  ///< what was observed in the last --latency.window; kept where LoopMonitor::Settings ask for it
  LoopFigures figures;
};

struct ProcessSnapshot {
  uint64_t id = 0;        ///< no other process has or had it, as long as this exporter runs
  std::string name, pid;  ///< its labels
  bool alive = false;
  uint64_t pid_namespace = 0;
  ContainerIdentity container;
  std::optional<ProcessFigures> figures;  ///< of the living, where /proc shows them
  std::vector<LoopSnapshot> loops;        ///< by ordinal
};

/// How many processes of a source are shown.
struct ProcessCount {
  const char* source;
  uint64_t live = 0;
  uint64_t ended = 0;  ///< dead, and still shown
};

struct Snapshot {
  uint64_t taken_ns = 0;
  uint64_t window_ns = 0;    ///< --latency.window
  uint32_t stall_bound = 0;  ///< the stall threshold in use, as a bound of the histogram scheme
  std::vector<double> quantiles;
  std::vector<ProcessSnapshot> processes;

  std::vector<ProcessCount> shown;  ///< of each source
  SourceLosses losses;              ///< of all sources

  uint64_t live_processes() const;
  uint64_t ended_processes() const;
  double stall_threshold_seconds() const { return bound_seconds(stall_bound); }
};

}  // namespace looptap
