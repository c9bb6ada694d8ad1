#include "exporter/loop_monitor.h"

#include <chrono>

#include "exporter/monotonic_clock.h"

namespace looptap {

namespace {

Observed lifetime_of(const LoopSample& sample) {
  const Reckoning reckoning = reckon(sample);
  return {sample.iterations, reckoning.wait_ns + reckoning.poll_ns, reckoning.open_iteration_ns, 0};
}

}  // namespace

LoopMonitor::LoopMonitor(const Settings& settings)
    : window_ns_(settings.window_ns), directory_(settings.directory, settings.linger_ns) {
  read_all(monotonic_now_ns());
  ticker_ = std::thread([this] { tick_until_stopped(); });
}

LoopMonitor::~LoopMonitor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  ticker_.join();
}

void LoopMonitor::read_all(uint64_t now_ns) {
  directory_.refresh(now_ns);
  for (const auto& [name, segment] : directory_.segments()) {
    // A dead process' figures stand at its exit, or where it was last seen alive.
    uint64_t at_ns = now_ns;
    if (segment.dead_since_ns) {
      at_ns = segment.file->exited_ns();
      if (!at_ns || at_ns > now_ns) at_ns = segment.last_alive_ns;
    }
    samples_[name] = segment.file->read(at_ns, segment.dead_since_ns.has_value());
    for (const LoopSample& sample : samples_[name]) {
      const auto key = std::make_pair(name, sample.ordinal);
      if (windows_.contains(key)) continue;
      // All of a young process lies within the window; of an old one, only what we see from now on.
      const bool young = segment.file->identity().created_ns + window_ns_ >= now_ns;
      windows_.emplace(key, young ? LatencyWindow() : LatencyWindow(sample));
    }
  }
  std::erase_if(samples_, [&](const auto& entry) { return !directory_.segments().contains(entry.first); });
  std::erase_if(windows_, [&](const auto& entry) { return !samples_.contains(entry.first.first); });
}

MonitorView LoopMonitor::view() {
  std::lock_guard lock(mutex_);
  read_all(monotonic_now_ns());

  MonitorView view;
  view.rejected = directory_.rejected();
  view.unremovable_segments = directory_.unremovable();
  view.dropped_loops = directory_.forgotten_drops();
  view.inconsistent_reads = directory_.forgotten_inconsistent_reads();
  for (const auto& [name, segment] : directory_.segments()) {
    const bool alive = !segment.dead_since_ns;
    (alive ? view.live_segments : view.ended_segments)++;
    view.dropped_loops += segment.file->loops_dropped();
    view.inconsistent_reads += segment.file->inconsistent_reads();
    for (const LoopSample& sample : samples_[name]) {
      LoopView loop;
      loop.process = segment.file->identity().name;
      loop.pid = segment.pid_label;
      loop.loop = std::to_string(sample.ordinal);
      loop.thread = sample.thread_name;
      loop.alive = alive;
      loop.sample = sample;
      loop.lifetime = lifetime_of(sample);
      loop.window = windows_[{name, sample.ordinal}].observed(sample);
      view.loops.push_back(std::move(loop));
    }
  }
  return view;
}

void LoopMonitor::tick_until_stopped() {
  const auto interval = std::chrono::nanoseconds(window_ns_ / LatencyWindow::kTicks);
  auto next = std::chrono::steady_clock::now() + interval;
  std::unique_lock lock(mutex_);
  while (!stop_.wait_until(lock, next, [this] { return stopping_; })) {
    next += interval;
    read_all(monotonic_now_ns());
    for (const auto& [name, samples] : samples_)
      for (const LoopSample& sample : samples) windows_[{name, sample.ordinal}].tick(sample);
  }
}

}  // namespace looptap
