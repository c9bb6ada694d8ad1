// The delimited protobuf format of Prometheus, the one with native histograms. protozero stays behind
// protobuf_format.cc.
#pragma once

#include <string>

#include "exporter/exposition.h"

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
  void add_metric(MetricFamily& family) const;

  std::string labels_;  // as fields of a Metric
  std::string value_;   // the message that a Metric holds beside its labels
  std::string deltas_;  // of a native histogram's buckets
};

}  // namespace looptap
