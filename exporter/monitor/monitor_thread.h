// The thread that ticks the monitor, also where nobody asks, and whether it still does.
//
// Thread-safe. A tick that throws is counted in looptap_errors_total{where="tick"}, told once when it begins to fail or fails in
// another way, and tried again a second later.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "exporter/monitor/failing_part.h"

namespace looptap {

class MonitorThread {
 public:
  /// Ticks are a second apart at most. One that is later than this hangs: on a lock, on a file system, or with its thread.
  static constexpr uint64_t kHangs_ns = 10'000'000'000;

  /// \param tick does what is due at an instant (CLOCK_MONOTONIC ns) and returns when it wants to be called again. It must
  ///             be callable for as long as this lives.
  explicit MonitorThread(std::function<uint64_t(uint64_t now_ns)> tick);

  /// Whether the last tick came to an end less than kHangs_ns before now. One that failed did.
  bool is_alive(uint64_t now_ns) const;

 private:
  void run(const std::stop_token& stop);

  const std::function<uint64_t(uint64_t)> tick_;
  FailingPart part_;
  std::atomic<uint64_t> ticked_ns_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // the last member: it uses the others until it has ended
};

}  // namespace looptap
