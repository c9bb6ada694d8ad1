// The delimited protobuf format of Prometheus, the one with native histograms. protozero stays behind
// protobuf_format.cc.
//
// Not thread-safe: one for each scrape. Nothing throws but for want of memory. Base units.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporter/metrics/exposition/exposition.h"

namespace looptap {

class ProtobufWriter : public SeriesWriter {
 public:
  void set_labels(const Labels& labels) override;
  void add_value(MetricFamily& family, double value) override;
  void add_summary(MetricFamily& family, const LabelNumbers& quantiles, const std::vector<double>& values,
                   uint64_t count, double sum) override;
  void add_histogram(MetricFamily& family, const LabelNumbers& bounds,
                     const std::vector<uint64_t>& cumulative, double sum,
                     const NativeHistogram* native) override;
  bool has_natives() const override { return true; }
  std::string join(std::vector<MetricFamily> families) const override;

 private:
  /// \param value the message that a Metric holds beside its labels.
  void add_metric(MetricFamily& family, std::string_view value) const;

  std::string labels_;  // as fields of a Metric
  // What is being put together; as large as the largest has been.
  std::vector<char> scratch_, delta_scratch_;
};

}  // namespace looptap
