// The text formats of Prometheus (0.0.4) and OpenMetrics (1.0.0).
//
// Not prometheus-cpp's TextSerializer: it knows no OpenMetrics, writes `le="1"` where Prometheus' protobuf path
// makes `le="1.0"` (two series out of one, where the format changes), does not escape HELP, and needs ten
// times as long.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace looptap {

enum class TextDialect { kPrometheus, kOpenMetrics };

std::string to_text(const std::vector<prometheus::MetricFamily>& families, TextDialect dialect);

}  // namespace looptap
