// What is served: families of metrics, written series by series in one of the formats that Prometheus reads.
//
// Series of loops do not go through prometheus-cpp's model and serializer, as what the exporter counts of itself does
// (exporter/self; written by these writers, too). The series of 1,000 loops, 62,000 lines of text, take 4 ms here, where
// the memory is at hand, and the protobuf 0.7 ms; there Collect() takes 15 ms, its serializer 45-55 ms, and the model
// 20 MB beside the text. Where each page is faulted in anew, as in a sandbox, it is 75 ms against 160. And its text knows
// no OpenMetrics, writes `le="1"` where Prometheus' protobuf path makes `le="1.0"` (two series out of one, where the
// format changes) and does not escape HELP; and it has no native histograms.
//
// Not thread-safe: one writer for each scrape. Nothing throws but for want of memory. Base units.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace looptap {

enum class MetricType { kCounter, kGauge, kSummary, kHistogram };

struct Label {
  std::string_view name;
  std::string_view value;  ///< UTF-8
};
using Labels = std::vector<Label>;

/// A number that stands in a label (`le`, `quantile`), and how the texts write it there.
struct LabelNumber {
  explicit LabelNumber(double number);
  double value;
  std::string text;
};
using LabelNumbers = std::vector<LabelNumber>;

/// A native histogram with positive buckets, beside a classic one with the same counts.
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

/// A family while its series are added.
struct MetricFamily {
  std::string name;
  std::string help;
  MetricType type;
  std::string series;  ///< in the format of the writer that adds them
};

/// Writes in one format. Not thread-safe.
class SeriesWriter {
 public:
  virtual ~SeriesWriter() = default;

  /// The labels of the series that follow.
  virtual void set_labels(const Labels& labels) = 0;

  virtual void add_value(MetricFamily& family, double value) = 0;  ///< of a counter or a gauge
  virtual void add_summary(MetricFamily& family, const LabelNumbers& quantiles,
                           const std::vector<double>& values, uint64_t count, double sum) = 0;
  /// \param bounds without the infinite one.
  /// \param cumulative one for each bound, and the total at the end.
  /// \param native nullptr: none; written where has_natives().
  virtual void add_histogram(MetricFamily& family, const LabelNumbers& bounds,
                             const std::vector<uint64_t>& cumulative, double sum,
                             const NativeHistogram* native) = 0;
  virtual bool has_natives() const = 0;

  /// The whole: each family's head and series. Takes the families' memory.
  virtual std::string join(std::vector<MetricFamily> families) const = 0;
};

enum class ExpositionFormat { kText, kOpenMetrics, kProtobuf };

std::unique_ptr<SeriesWriter> make_writer(ExpositionFormat format);

/// The format that an Accept header prefers (RFC 9110, 12.5.1); text where it does not say.
ExpositionFormat choose_format(const std::string& accept);

const char* content_type(ExpositionFormat format);

}  // namespace looptap
