// The text formats of Prometheus (0.0.4) and OpenMetrics (1.0.0).
//
// Not thread-safe: one for each scrape. Nothing throws but for want of memory. Base units.
#pragma once

#include <string>

#include "exporter/metrics/exposition/exposition.h"

namespace looptap {

enum class TextDialect { kPrometheus, kOpenMetrics };

class TextWriter : public SeriesWriter {
 public:
  explicit TextWriter(TextDialect dialect) : dialect_(dialect) {}

  void set_labels(const Labels& labels) override;
  void add_value(MetricFamily& family, double value) override;
  void add_summary(MetricFamily& family, const LabelNumbers& quantiles, const std::vector<double>& values,
                   uint64_t count, double sum) override;
  void add_histogram(MetricFamily& family, const LabelNumbers& bounds,
                     const std::vector<uint64_t>& cumulative, double sum,
                     const NativeHistogram* native) override;
  bool has_natives() const override { return false; }  // the texts have no room for them
  std::string join(std::vector<MetricFamily> families) const override;

 private:
  void add_totals(MetricFamily& family, double sum, uint64_t count) const;
  /// Name and labels, up to the value.
  void begin(MetricFamily& family, std::string_view suffix, std::string_view extra_label = {},
             std::string_view extra_value = {}) const;

  const TextDialect dialect_;
  std::string labels_;  // as they stand between the braces
};

}  // namespace looptap
