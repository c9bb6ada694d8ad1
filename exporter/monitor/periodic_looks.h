// Makes a monitor look when it wants to, also where nobody asks.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "exporter/monitor/loop_monitor.h"

namespace looptap {

/// A thread that keeps the monitor's books, for as long as this lives.
class PeriodicLooks {
 public:
  /// \param monitor must outlive it.
  explicit PeriodicLooks(LoopMonitor& monitor);

 private:
  void look_until_stopped(const std::stop_token& stop, LoopMonitor& monitor);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // the last member: it uses the others until it has ended
};

}  // namespace looptap
