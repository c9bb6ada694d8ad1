#include "exporter/monitor/monitor_thread.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "exporter/base/monotonic_clock.h"

namespace looptap {

namespace {
constexpr uint64_t kRetry_ns = 1'000'000'000;
}

MonitorThread::MonitorThread(std::function<uint64_t(uint64_t now_ns)> tick)
    : tick_(std::move(tick)),
      part_("tick", "the monitor", "and goes on trying"),
      ticked_ns_(monotonic_now_ns()),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

bool MonitorThread::is_alive(uint64_t now_ns) const {
  const uint64_t ticked_ns = ticked_ns_.load(std::memory_order_relaxed);
  return now_ns < ticked_ns || now_ns - ticked_ns < kHangs_ns;
}

void MonitorThread::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "monitor");
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const uint64_t now_ns = monotonic_now_ns();
    uint64_t next_ns = now_ns + kRetry_ns;
    part_.run([&] { next_ns = tick_(now_ns); });
    ticked_ns_.store(monotonic_now_ns(), std::memory_order_relaxed);
    // steady_clock is CLOCK_MONOTONIC.
    const std::chrono::steady_clock::time_point next{std::chrono::nanoseconds(next_ns)};
    wake_.wait_until(lock, stop, next, [] { return false; });
  }
}

}  // namespace looptap
