// Watches all loops: reads their samples, keeps their windows, on a timer and whenever somebody asks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "exporter/latency_window.h"
#include "exporter/loop_history.h"
#include "exporter/loop_sample.h"
#include "exporter/process_figures.h"
#include "exporter/segment_directory.h"

namespace looptap {

/// One loop as it is shown.
struct LoopView {
  std::string process, pid, loop, thread;  ///< its labels
  std::string segment;                     ///< the file it comes from
  bool alive = false;                      ///< whether its process lives
  uint64_t blocked_ns = 0;                 ///< DESIGN's "blocked"; 0 for the dead
  std::optional<ThreadFigures> figures;    ///< of the thread that first waited on it
  LoopSample sample;
  Observed lifetime;       ///< since the loop began
  Observed window;         ///< in the last --latency.window
  uint64_t id = 0;         ///< no other loop has or had it, as long as this exporter runs
  double utilization = 0;  ///< in the last minute
};

/// One living process.
struct ProcessView {
  std::string process, pid;  ///< its labels
  uint64_t pid_namespace = 0;
  std::optional<ProcessFigures> figures;
};

/// Everything there is to show, at one instant.
struct MonitorView {
  std::vector<LoopView> loops;
  std::vector<ProcessView> processes;
  uint64_t live_segments = 0;
  uint64_t ended_segments = 0;  ///< of dead processes, still shown
  uint64_t unremovable_segments = 0;
  uint64_t dropped_loops = 0;
  uint64_t inconsistent_reads = 0;
  uint64_t deaths_in_stall = 0;
  std::map<Rejection, uint64_t> rejected;
};

/// Thread-safe.
class LoopMonitor {
 public:
  struct Settings {
    std::string directory;
    uint64_t linger_ns;
    uint64_t window_ns;
    uint64_t stall_threshold_ns;
  };

  /// \throws std::runtime_error with one clear line when the directory cannot be used.
  explicit LoopMonitor(const Settings& settings);
  ~LoopMonitor();

  /// Reads everything anew.
  MonitorView view();

  /// Of the loop with this id, oldest first; nothing where there is no such loop (any more).
  std::optional<std::vector<HistoryColumn>> history(uint64_t id);

 private:
  /// What is known of a segment's process beyond the segment.
  struct Process {
    std::optional<pid_t> pid;       // in our PID namespace
    uint64_t stopped_since_ns = 0;  // when it was first seen stopped (SIGSTOP); 0: it is not
    std::optional<ProcessFigures> figures;
    bool death_noted = false;
  };

  void read_all(uint64_t now_ns);
  void look_at_processes(uint64_t now_ns);
  void note_death(const TrackedSegment& segment, Process& process);
  LoopView view_of(const TrackedSegment& segment, const LoopSample& sample, uint64_t now_ns);
  void tick_until_stopped();

  const uint64_t window_ns_;
  const uint64_t stall_threshold_ns_;
  std::mutex mutex_;
  SegmentDirectory directory_;
  std::map<std::string, std::vector<LoopSample>> samples_;             // by segment, the last ones
  std::map<std::pair<std::string, uint32_t>, LatencyWindow> windows_;  // by segment and ordinal
  std::map<std::pair<std::string, uint32_t>, LoopHistory> histories_;  // likewise
  uint64_t last_loop_id_ = 0;
  std::map<std::string, Process> processes_;  // by segment
  uint64_t deaths_in_stall_ = 0;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread ticker_;
};

}  // namespace looptap
