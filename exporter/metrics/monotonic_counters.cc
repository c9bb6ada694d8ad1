#include "exporter/metrics/monotonic_counters.h"

#include <algorithm>
#include <utility>

namespace looptap {

void MonotonicCounters::clamp(uint64_t key, LatencyHistogram& latency, LoopScalars& scalars) {
  auto place = shown_.find(key);
  if (place == shown_.end()) {
    // With all that it holds, or not at all: what is half made would be compared with at the next scrape.
    place = shown_.emplace(key, Shown{latency, {}, true}).first;
  } else {
    latency.raise_to(place->second.latency);
    place->second.latency = latency;
  }
  Shown& shown = place->second;
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
