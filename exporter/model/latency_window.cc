#include "exporter/model/latency_window.h"

namespace looptap {

namespace {

uint64_t idle_ns(const TimeTotals& totals) { return sum_of(totals.wait_ns, totals.poll_ns); }

}  // namespace

LatencyWindow::LatencyWindow(const LoopSample& first) {
  tick(first);
  spans_.clear();
  start_iterations_ = first.iterations;
  start_idle_ns_ = last_idle_ns_;
}

void LatencyWindow::tick(const LoopSample& sample) {
  const TimeTotals now = time_totals(sample);
  spans_.push_back({PackedHistogram(sample.iterations.since(last_iterations_.unpack())),
                    minus_or_zero(idle_ns(now), last_idle_ns_), last_open_ns_});
  if (spans_.size() > kTicks) {
    start_iterations_.add(spans_.front().iterations.unpack());
    start_idle_ns_ = sum_of(start_idle_ns_, spans_.front().idle_ns);
    spans_.pop_front();
  }
  last_iterations_ = PackedHistogram(sample.iterations);
  last_idle_ns_ = idle_ns(now);
  last_open_ns_ = now.open_iteration_ns;
}

Observed LatencyWindow::observed(const LoopSample& sample) const {
  const TimeTotals now = time_totals(sample);
  return {sample.iterations.since(start_iterations_), minus_or_zero(idle_ns(now), start_idle_ns_),
          now.open_iteration_ns, spans_.empty() ? last_open_ns_ : spans_.front().open_at_start_ns};
}

}  // namespace looptap
