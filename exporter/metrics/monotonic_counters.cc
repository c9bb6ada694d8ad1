#include "exporter/metrics/monotonic_counters.h"

#include <algorithm>
#include <utility>

namespace looptap {

void MonotonicCounters::clamp(uint64_t key, IntervalCounters& counters) {
  const auto [place, is_new] = shown_.try_emplace(key);
  Shown& shown = place->second;
  if (!is_new) {
    counters.latency.raise_to(shown.counters.latency);
    counters.busy_ns = std::max(counters.busy_ns, shown.counters.busy_ns);
    counters.wait_ns = std::max(counters.wait_ns, shown.counters.wait_ns);
    counters.stalls = std::max(counters.stalls, shown.counters.stalls);
  }
  shown.counters = counters;
  shown.recently = true;
}

void MonotonicCounters::evict_unused() {
  for (auto at = shown_.begin(); at != shown_.end();)
    at = std::exchange(at->second.recently, false) ? std::next(at) : shown_.erase(at);
}

}  // namespace looptap
