#include "exporter/text_format.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace looptap {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

const char* type_name(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Summary:
      return "summary";
    case MetricType::Histogram:
      return "histogram";
    default:
      return "untyped";
  }
}

class Writer {
 public:
  explicit Writer(TextDialect dialect) : dialect_(dialect) {}

  void family(const MetricFamily& family) {
    // OpenMetrics names a counter without the suffix that its samples bear.
    std::string_view name = family.name;
    if (dialect_ == TextDialect::kOpenMetrics && family.type == MetricType::Counter &&
        name.ends_with("_total"))
      name.remove_suffix(6);
    text_ += "# HELP ";
    text_ += name;
    text_ += ' ';
    escaped(family.help, dialect_ == TextDialect::kOpenMetrics);
    text_ += "\n# TYPE ";
    text_ += name;
    text_ += ' ';
    text_ += type_name(family.type);
    text_ += '\n';
    for (const ClientMetric& metric : family.metric) samples(family, metric);
  }

  std::string take() {
    if (dialect_ == TextDialect::kOpenMetrics) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  void samples(const MetricFamily& family, const ClientMetric& metric) {
    labels_.clear();
    for (const auto& label : metric.label) {
      if (!labels_.empty()) labels_ += ',';
      labels_ += label.name;
      labels_ += "=\"";
      std::swap(text_, labels_);
      escaped(label.value, true);
      std::swap(text_, labels_);
      labels_ += '"';
    }
    switch (family.type) {
      case MetricType::Counter:
        return sample(family.name, "", "", 0, metric.counter.value);
      case MetricType::Summary:
        for (const auto& quantile : metric.summary.quantile)
          sample(family.name, "", "quantile", quantile.quantile, quantile.value);
        sample(family.name, "_sum", "", 0, metric.summary.sample_sum);
        return sample(family.name, "_count", "", 0, static_cast<double>(metric.summary.sample_count));
      case MetricType::Histogram:
        for (const auto& bucket : metric.histogram.bucket)
          sample(family.name, "_bucket", "le", bucket.upper_bound,
                 static_cast<double>(bucket.cumulative_count));
        sample(family.name, "_sum", "", 0, metric.histogram.sample_sum);
        return sample(family.name, "_count", "", 0, static_cast<double>(metric.histogram.sample_count));
      default:
        return sample(family.name, "", "", 0, metric.gauge.value);
    }
  }

  void sample(std::string_view name, std::string_view suffix, std::string_view extra, double extra_value,
              double value) {
    text_ += name;
    text_ += suffix;
    if (!labels_.empty() || !extra.empty()) {
      text_ += '{';
      text_ += labels_;
      if (!extra.empty()) {
        if (!labels_.empty()) text_ += ',';
        text_ += extra;
        text_ += "=\"";
        number(extra_value, true);
        text_ += '"';
      }
      text_ += '}';
    }
    text_ += ' ';
    number(value, false);
    text_ += '\n';
  }

  /// The shortest digits that read back as the same number. As a label it always has a point, as Prometheus and
  /// OpenMetrics write it themselves, lest one bound become two series.
  void number(double value, bool as_label) {
    if (std::isnan(value)) {
      text_ += "NaN";
      return;
    }
    if (std::isinf(value)) {
      text_ += value > 0 ? "+Inf" : "-Inf";
      return;
    }
    char digits[40];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
    const std::string_view written(digits, static_cast<size_t>(end - digits));
    text_ += written;
    if (as_label && written.find_first_of(".e") == std::string_view::npos) text_ += ".0";
  }

  void escaped(std::string_view value, bool quotes) {
    for (const char byte : value) {
      if (byte == '\\')
        text_ += "\\\\";
      else if (byte == '\n')
        text_ += "\\n";
      else if (byte == '"' && quotes)
        text_ += "\\\"";
      else
        text_ += byte;
    }
  }

  const TextDialect dialect_;
  std::string text_;
  std::string labels_;
};

}  // namespace

std::string to_text(const std::vector<MetricFamily>& families, TextDialect dialect) {
  Writer writer(dialect);
  for (const MetricFamily& family : families) writer.family(family);
  return writer.take();
}

}  // namespace looptap
