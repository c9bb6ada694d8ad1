// Watches all loops: reads their samples, keeps their windows, when it is time and whenever somebody asks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "exporter/model/latency_window.h"
#include "exporter/model/loop_history.h"
#include "exporter/model/loop_sample.h"
#include "exporter/monitor/pid_labels.h"
#include "exporter/procfs/process_figures.h"
#include "exporter/sources/loop_source.h"

namespace looptap {

/// One process as it is shown.
struct ProcessView {
  uint64_t id = 0;        ///< no other process has or had it, as long as this exporter runs
  std::string name, pid;  ///< its labels
  bool alive = false;
  uint64_t pid_namespace = 0;
  ContainerIdentity container;
  std::optional<ProcessFigures> figures;
};

/// One loop as it is shown.
struct LoopView {
  const ProcessView& process;
  const LoopSample& sample;
  uint64_t id;                           ///< no other loop has or had it, as long as this exporter runs
  uint64_t blocked_ns;                   ///< DESIGN's "blocked"; 0 for the dead
  std::optional<ThreadFigures> figures;  ///< of the thread that first waited on it
  Observed window;                       ///< in the last --latency.window
  const LoopHistory& history;            ///< of the last minutes
};

/// What there is beside processes and loops.
struct MonitorTotals {
  uint64_t live_processes = 0;
  uint64_t ended_processes = 0;  ///< dead, and still shown
  uint64_t deaths_in_stall = 0;
  SourceLosses losses;  ///< of all sources
};

/// Thread-safe.
class LoopMonitor {
 public:
  struct Settings {
    uint64_t window_ns;
    uint64_t stall_threshold_ns;
  };

  LoopMonitor(std::vector<std::unique_ptr<LoopSource>> sources, const Settings& settings);

  /// Does what is due by now: looks who lives, moves windows and histories on. PeriodicLooks calls it.
  /// \return when it wants to be called again, CLOCK_MONOTONIC ns.
  uint64_t keep_books(uint64_t now_ns);

  using OnProcess = std::function<void(const ProcessView&)>;
  using OnLoop = std::function<void(const LoopView&)>;

  /// Reads everything anew and shows it: each process, and after it its loops, by ordinal. What is shown holds only
  /// during the call. Whoever is called must not call the monitor.
  MonitorTotals visit(const OnProcess& on_process, const OnLoop& on_loop);

  /// Of the loop with this id, oldest first; nothing where there is no such loop (any more).
  std::optional<std::vector<HistoryColumn>> history(uint64_t id);

 private:
  struct Loop {
    uint64_t id = 0;
    LatencyWindow window;
    LoopHistory history;
    std::optional<ThreadFiguresReader> thread;  // that first waited on it
  };

  /// What is known of a process beyond what its source knows.
  struct Process {
    ProcessIdentity identity;
    ProcessView view;
    std::optional<pid_t> pid;  // in our PID namespace
    std::optional<ProcessFiguresReader> figures;
    uint64_t stopped_since_ns = 0;  // when it was first seen stopped (SIGSTOP); 0: it is not
    uint64_t waits = 0;             // of all its loops, at the last look
    bool death_noted = false;
    bool is_known = false;           // to its source, still
    std::map<uint32_t, Loop> loops;  // by ordinal
  };
  struct Known {
    const SourceProcess* from;
    Process* process;
  };

  enum class Look { kToShow, kToKeepTheBooks };
  /// \return the processes of all sources, as they stay until it is called again.
  std::vector<Known> read_all(uint64_t now_ns, Look look);
  std::vector<Known> follow_processes();
  void look_at(const SourceProcess& from, Process& process, uint64_t now_ns, Look look);
  void note_death(const SourceProcess& from, Process& process);
  static LoopView view_of(const Process& process, const LoopSample& sample, Loop& loop, uint64_t now_ns);
  std::vector<const SourceProcess*> source_processes() const;

  const uint64_t window_ns_;
  const uint64_t stall_threshold_ns_;
  std::mutex mutex_;
  const std::vector<std::unique_ptr<LoopSource>> sources_;
  std::unordered_map<uint64_t, Process> processes_;  // by id
  PidLabels pid_labels_;
  uint64_t last_loop_id_ = 0;
  uint64_t deaths_in_stall_ = 0;
  uint64_t next_tick_ns_, next_column_ns_;  // when windows and histories move on
};

}  // namespace looptap
