// Watches all loops: reads their samples, keeps their windows, on a timer and whenever somebody asks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "exporter/latency_window.h"
#include "exporter/loop_sample.h"
#include "exporter/segment_directory.h"

namespace looptap {

/// One loop as it is shown.
struct LoopView {
  std::string process, pid, loop, thread;  ///< its labels
  bool alive = false;                      ///< whether its process lives
  LoopSample sample;
  Observed lifetime;  ///< since the loop began
  Observed window;    ///< in the last --latency.window
};

/// Everything there is to show, at one instant.
struct MonitorView {
  std::vector<LoopView> loops;
  uint64_t live_segments = 0;
  uint64_t ended_segments = 0;  ///< of dead processes, still shown
  uint64_t unremovable_segments = 0;
  uint64_t dropped_loops = 0;
  uint64_t inconsistent_reads = 0;
  std::map<Rejection, uint64_t> rejected;
};

/// Thread-safe.
class LoopMonitor {
 public:
  struct Settings {
    std::string directory;
    uint64_t linger_ns;
    uint64_t window_ns;
  };

  /// \throws std::runtime_error with one clear line when the directory cannot be used.
  explicit LoopMonitor(const Settings& settings);
  ~LoopMonitor();

  /// Reads everything anew.
  MonitorView view();

 private:
  void read_all(uint64_t now_ns);
  void tick_until_stopped();

  const uint64_t window_ns_;
  std::mutex mutex_;
  SegmentDirectory directory_;
  std::map<std::string, std::vector<LoopSample>> samples_;             // by segment, the last ones
  std::map<std::pair<std::string, uint32_t>, LatencyWindow> windows_;  // by segment and ordinal
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread ticker_;
};

}  // namespace looptap
