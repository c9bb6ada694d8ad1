// Which processes there are: their labels, what /proc says of them, and what is kept of their loops from poll to poll.
//
// Not thread-safe. Throws nothing but for want of memory; the next call then makes up for it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "exporter/model/latency_window.h"
#include "exporter/model/loop_history.h"
#include "exporter/monitor/pid_labels.h"
#include "exporter/monitor/source_poller.h"
#include "exporter/monitor/stall_detector.h"
#include "exporter/procfs/process_figures.h"

namespace looptap {

/// What is kept of a loop from poll to poll.
struct TrackedLoop {
  uint64_t id;  ///< no other loop has or had it, as long as this exporter runs
  LatencyWindow window;
  LoopHistory history;
  StallDetector stalls;
  std::optional<ThreadFiguresReader> thread;  ///< that first waited on it
};

/// What is known of a process beyond what its source knows.
struct TrackedProcess {
  const SourceProcess* source = nullptr;  ///< valid until the sources are polled again
  ProcessIdentity identity;
  std::string pid_label;
  ContainerIdentity container;
  std::optional<pid_t> pid;  ///< in our PID namespace
  std::optional<ProcessFiguresReader> figures;
  uint64_t stopped_since_ns = 0;  ///< when it was first seen stopped (SIGSTOP, a tracer); 0: it is not
  uint64_t waits = 0;             ///< of all its loops, at the last poll
  bool death_handled = false;
  bool is_begun = false;                  ///< all that is asked once has been asked
  std::map<uint32_t, TrackedLoop> loops;  ///< by ordinal

  size_t from = 0;         ///< the number of its source
  bool is_listed = false;  ///< by its source, at the last poll

  bool is_alive() const { return !source->dead_since_ns; }
};

class ProcessTable {
 public:
  struct Settings {
    uint64_t window_ns;
    uint32_t stall_bound;
  };
  explicit ProcessTable(const Settings& settings) : settings_(settings) {}

  /// Takes in who has come, drops who has gone. Those of a source that fails stay and are not listed.
  /// \return those that are listed, in the order of their sources; valid until the next call.
  std::vector<TrackedProcess*> follow(const SourcePoller& sources);

  /// Keeps something of each loop that it has a sample of; of which there was none, from now on.
  void follow_loops(TrackedProcess& process, uint64_t now_ns);

  /// The dead whose labels another process has taken over are not shown.
  bool is_shown(const TrackedProcess& process) const;

  /// nullptr: there is no such loop (any more).
  const TrackedLoop* find_loop(uint64_t id) const;

 private:
  void begin(TrackedProcess& process);

  const Settings settings_;
  std::unordered_map<uint64_t, TrackedProcess> processes_;  // by id
  PidLabels pid_labels_;
  uint64_t last_loop_id_ = 0;
};

}  // namespace looptap
