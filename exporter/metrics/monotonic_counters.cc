#include "exporter/metrics/monotonic_counters.h"

#include <algorithm>
#include <utility>

namespace looptap {

void MonotonicCounters::clamp(uint64_t key, LatencyHistogram& latency, LoopScalars& scalars) {
  const auto [place, is_new] = shown_.try_emplace(key);
  Shown& shown = place->second;
  if (!is_new) latency.raise_to(shown.latency);
  shown.latency = latency;
  for (size_t i = 0; i < std::size(kLoopScalars); i++) {
    if (kLoopScalars[i].interval != Interval::kOpen) continue;
    scalars[i] = shown.scalars[i] = std::max(scalars[i], shown.scalars[i]);
  }
  shown.recently = true;
}

void MonotonicCounters::evict_unused() {
  for (auto at = shown_.begin(); at != shown_.end();)
    at = std::exchange(at->second.recently, false) ? std::next(at) : shown_.erase(at);
}

}  // namespace looptap
