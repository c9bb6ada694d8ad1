// What is served: families of metrics, and the formats in which Prometheus reads them.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace looptap {

/// A native histogram with positive buckets, beside the classic one that prometheus-cpp's model holds.
/// https://github.com/prometheus/client_model, io/prometheus/client/metrics.proto
struct NativeHistogram {
  struct Bucket {
    int32_t index;  ///< Prometheus' numbering: bucket i ends at 2^(i / 2^schema)
    uint64_t count;
  };
  int32_t schema = 0;
  double zero_threshold = 0;
  uint64_t zero_count = 0;
  std::vector<Bucket> buckets;  ///< ascending, none of them empty
};

struct Exposition {
  std::vector<prometheus::MetricFamily> families;
  /// By the place of the family and of the metric in it. Their counts add up to the classic histogram's.
  std::map<std::pair<size_t, size_t>, NativeHistogram> natives;
};

enum class ExpositionFormat { kText, kOpenMetrics, kProtobuf };

/// The format that an Accept header prefers (RFC 9110, 12.5.1); text where it does not say.
ExpositionFormat choose_format(const std::string& accept);

const char* content_type(ExpositionFormat format);

/// Native histograms are written in protobuf only, beside the classic ones; the texts have no room for them.
std::string serialize(const Exposition& exposition, ExpositionFormat format);

}  // namespace looptap
