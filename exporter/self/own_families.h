// The values of own_metrics.h, for whoever writes them: /metrics, later sinks.
//
// Thread-safe. Errors: std::bad_alloc alone. Cost: 10-20 us for some thirty series.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace looptap::self {

/// In an order that stays: families by name, series by labels (prometheus-cpp keeps these in a hash table).
std::vector<prometheus::MetricFamily> own_families();

}  // namespace looptap::self
