#include "exporter/latency_window.h"

namespace looptap {

LatencyWindow::LatencyWindow(const LoopSample& first) {
  tick(first);
  spans_.clear();
}

LatencyWindow::Span LatencyWindow::since_last_tick(const LoopSample& sample) const {
  const Reckoning reckoning = reckon(sample);
  const uint64_t idle_ns = reckoning.wait_ns + reckoning.poll_ns;
  return {sample.iterations.since(last_iterations_), idle_ns > last_idle_ns_ ? idle_ns - last_idle_ns_ : 0,
          last_open_ns_};
}

void LatencyWindow::tick(const LoopSample& sample) {
  spans_.push_back(since_last_tick(sample));
  if (spans_.size() > kTicks) spans_.pop_front();
  const Reckoning reckoning = reckon(sample);
  last_iterations_ = sample.iterations;
  last_idle_ns_ = reckoning.wait_ns + reckoning.poll_ns;
  last_open_ns_ = reckoning.open_iteration_ns;
}

Observed LatencyWindow::observed(const LoopSample& sample) const {
  const Span latest = since_last_tick(sample);
  Observed observed{latest.iterations, latest.idle_ns, reckon(sample).open_iteration_ns,
                    latest.open_at_start_ns};
  for (const Span& span : spans_) {
    observed.iterations.add(span.iterations);
    observed.idle_ns += span.idle_ns;
  }
  if (!spans_.empty()) observed.open_at_start_ns = spans_.front().open_at_start_ns;
  return observed;
}

}  // namespace looptap
