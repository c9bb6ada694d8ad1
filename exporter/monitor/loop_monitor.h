// Watches all loops: polls the sources, moves windows and histories on, tells of stalls, and takes the Snapshot that every
// consumer reads.
//
// Thread-safe: one poll at a time, under one lock. A source that fails costs only its own loops (source_poller.h). Throws nothing
// but for want of memory. Instants are CLOCK_MONOTONIC nanoseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "exporter/monitor/process_table.h"
#include "exporter/monitor/snapshot.h"
#include "exporter/monitor/source_poller.h"
#include "exporter/monitor/stall_events.h"

namespace looptap {

class LoopMonitor {
 public:
  struct Settings {
    uint64_t window_ns = 0;           ///< --latency.window
    uint64_t stall_threshold_ns = 0;  ///< moved to the nearest bucket bound
    std::vector<double> quantiles;    ///< 0 .. 1, ascending
    bool keep_windows = false;        ///< in LoopSnapshot: 4 KB a loop, for who adds loops up
    StallListener on_stall;  ///< empty: nobody listens. Where somebody does, each tick reads every loop
  };

  LoopMonitor(std::vector<std::unique_ptr<LoopSource>> sources, Settings settings);

  /// Does what is due by now: who lives, stalls, windows, histories. MonitorThread calls it.
  /// \return when it wants to be called again.
  uint64_t tick(uint64_t now_ns);

  /// Reads everything anew.
  /// \param reuse one that is not needed any more, for its memory: saves who asks again and again 5 % of a scrape.
  Snapshot snapshot(Snapshot reuse = {});

  /// Of the loop with this id, oldest first; nothing where there is no such loop (any more).
  std::optional<std::vector<HistoryColumn>> history(uint64_t id);

 private:
  enum class Purpose { kScrape, kTick };
  /// \return the processes of all sources that work, valid until the next poll.
  std::vector<TrackedProcess*> poll(uint64_t now_ns, Purpose purpose);
  void update_process(TrackedProcess& process, uint64_t now_ns, Purpose purpose);
  void show_process(TrackedProcess& process, uint64_t now_ns, ProcessSnapshot& shown);
  void follow_thread(const TrackedProcess& process, TrackedLoop& loop, const LoopSample& sample) const;
  /// \return what was observed in the window.
  Observed show_figures(const TrackedProcess& process, TrackedLoop& loop, const LoopSample& sample,
                        uint64_t now_ns, bool with_thread, LoopFigures& figures) const;
  void tell_of_stalls(const TrackedProcess& process, TrackedLoop& loop, const LoopSample& sample,
                      const LoopFigures& figures);

  const uint64_t window_ns_;
  const bool keep_windows_;
  const FigureSettings figures_;
  const StallListener on_stall_;
  self::Counter listener_errors_;
  std::mutex mutex_;
  SourcePoller sources_;
  ProcessTable processes_;
  uint64_t next_tick_ns_, next_column_ns_;  // when windows and histories move on
};

}  // namespace looptap
