#include "exporter/metrics/exposition/text_format.h"

#include <charconv>
#include <cmath>
#include <utility>

namespace looptap {

namespace {

const char* type_name(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kSummary:
      return "summary";
    case MetricType::kHistogram:
      break;
  }
  return "histogram";
}

void append_integer(std::string& text, uint64_t value) {
  char digits[20];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

/// The shortest digits that read back as the same number.
void append_number(std::string& text, double value) {
  constexpr double kExact = 9007199254740992;  // 2^53: all integers up to there are doubles
  if (std::isnan(value)) {
    text += "NaN";
  } else if (std::isinf(value)) {
    text += value > 0 ? "+Inf" : "-Inf";
  } else if (value >= 0 && value < kExact && value == std::floor(value)) {
    append_integer(text, static_cast<uint64_t>(value));
  } else {
    char digits[40];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}

void append_escaped(std::string& text, std::string_view value, bool quotes) {
  for (const char byte : value) {
    if (byte == '\\')
      text += "\\\\";
    else if (byte == '\n')
      text += "\\n";
    else if (byte == '"' && quotes)
      text += "\\\"";
    else
      text += byte;
  }
}

}  // namespace

// Always with a point, as Prometheus and OpenMetrics write it themselves, lest one bound become two series.
LabelNumber::LabelNumber(double number) : value(number) {
  append_number(text, number);
  if (text.find_first_not_of("0123456789-") == std::string::npos) text += ".0";
}

void TextWriter::set_labels(const Labels& labels) {
  labels_.clear();
  for (const Label& label : labels) {
    if (!labels_.empty()) labels_ += ',';
    labels_ += label.name;
    labels_ += "=\"";
    append_escaped(labels_, label.value, true);
    labels_ += '"';
  }
}

void TextWriter::begin(MetricFamily& family, std::string_view suffix, std::string_view extra_label,
                       std::string_view extra_value) const {
  std::string& text = family.series;
  text += family.name;
  text += suffix;
  if (!labels_.empty() || !extra_label.empty()) {
    text += '{';
    text += labels_;
    if (!extra_label.empty()) {
      if (!labels_.empty()) text += ',';
      text += extra_label;
      text += "=\"";
      text += extra_value;
      text += '"';
    }
    text += '}';
  }
  text += ' ';
}

void TextWriter::add_value(MetricFamily& family, double value) {
  begin(family, "");
  append_number(family.series, value);
  family.series += '\n';
}

void TextWriter::add_totals(MetricFamily& family, double sum, uint64_t count) const {
  begin(family, "_sum");
  append_number(family.series, sum);
  family.series += '\n';
  begin(family, "_count");
  append_integer(family.series, count);
  family.series += '\n';
}

void TextWriter::add_summary(MetricFamily& family, const LabelNumbers& quantiles,
                             const std::vector<double>& values, uint64_t count, double sum) {
  for (size_t i = 0; i < quantiles.size(); i++) {
    begin(family, "", "quantile", quantiles[i].text);
    append_number(family.series, values[i]);
    family.series += '\n';
  }
  add_totals(family, sum, count);
}

void TextWriter::add_histogram(MetricFamily& family, const LabelNumbers& bounds,
                               const std::vector<uint64_t>& cumulative, double sum, const NativeHistogram*) {
  for (size_t i = 0; i <= bounds.size(); i++) {
    begin(family, "_bucket", "le", i < bounds.size() ? std::string_view(bounds[i].text) : "+Inf");
    append_integer(family.series, cumulative[i]);
    family.series += '\n';
  }
  add_totals(family, sum, cumulative.back());
}

std::string TextWriter::join(std::vector<MetricFamily> families) const {
  size_t size = 0;
  for (const MetricFamily& family : families) size += family.series.size() + 1000;
  std::string text;
  text.reserve(size);
  for (MetricFamily& family : families) {
    // OpenMetrics names a counter without the suffix that its samples bear.
    std::string_view name = family.name;
    if (dialect_ == TextDialect::kOpenMetrics && family.type == MetricType::kCounter &&
        name.ends_with("_total"))
      name.remove_suffix(6);
    text += "# HELP ";
    text += name;
    text += ' ';
    append_escaped(text, family.help, dialect_ == TextDialect::kOpenMetrics);
    text += "\n# TYPE ";
    text += name;
    text += ' ';
    text += type_name(family.type);
    text += '\n';
    text += family.series;
    std::string().swap(family.series);  // as soon as may be: these are megabytes
  }
  if (dialect_ == TextDialect::kOpenMetrics) text += "# EOF\n";
  return text;
}

}  // namespace looptap
