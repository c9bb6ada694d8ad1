#include "exporter/monitor/periodic_looks.h"

#include <chrono>
#include <cstdint>

#include "exporter/base/monotonic_clock.h"

namespace looptap {

PeriodicLooks::PeriodicLooks(LoopMonitor& monitor)
    : thread_([this, &monitor](const std::stop_token& stop) { look_until_stopped(stop, monitor); }) {}

void PeriodicLooks::look_until_stopped(const std::stop_token& stop, LoopMonitor& monitor) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    // steady_clock is CLOCK_MONOTONIC.
    const auto next_ns = std::chrono::nanoseconds(monitor.keep_books(monotonic_now_ns()));
    wake_.wait_until(lock, stop, std::chrono::steady_clock::time_point(next_ns), [] { return false; });
  }
}

}  // namespace looptap
