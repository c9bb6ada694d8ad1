#include "exporter/metrics/exposition/exposition.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "exporter/metrics/exposition/protobuf_format.h"
#include "exporter/metrics/exposition/text_format.h"

namespace looptap {

namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Cuts the text at the next separator and returns what was before it.
std::string_view next_part(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  const std::string_view part = trim(text.substr(0, at));
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& byte : result)
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  return result;
}

/// One media range of an Accept header.
struct MediaRange {
  std::string type;
  std::string proto, encoding, version;
  double quality = 1;

  explicit MediaRange(std::string_view text) {
    type = lower(next_part(text, ';'));
    while (!text.empty()) {
      std::string_view parameter = next_part(text, ';');
      const std::string name = lower(next_part(parameter, '='));
      const std::string_view value = trim(parameter);
      if (name == "proto") proto = value;
      if (name == "encoding") encoding = value;
      if (name == "version") version = value;
      if (name == "q" &&
          std::from_chars(value.data(), value.data() + value.size(), quality).ec != std::errc())
        quality = 0;
    }
  }

  bool accepts(ExpositionFormat format) const {
    switch (format) {
      case ExpositionFormat::kProtobuf:
        return type == "application/vnd.google.protobuf" && proto == "io.prometheus.client.MetricFamily" &&
               encoding == "delimited";
      case ExpositionFormat::kOpenMetrics:
        return type == "application/openmetrics-text" && (version.empty() || version == "1.0.0");
      case ExpositionFormat::kText:
        break;
    }
    return type == "*/*" || type == "text/*" ||
           (type == "text/plain" && (version.empty() || version == "0.0.4"));
  }
};

}  // namespace

ExpositionFormat choose_format(const std::string& accept) {
  ExpositionFormat best = ExpositionFormat::kText;
  double best_quality = 0;
  std::string_view rest = accept;
  while (!rest.empty()) {
    const MediaRange range(next_part(rest, ','));
    for (const auto format :
         {ExpositionFormat::kText, ExpositionFormat::kOpenMetrics, ExpositionFormat::kProtobuf})
      if (range.accepts(format) && range.quality > best_quality) {
        best = format;
        best_quality = range.quality;
      }
  }
  return best;
}

const char* content_type(ExpositionFormat format) {
  switch (format) {
    case ExpositionFormat::kProtobuf:
      return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    case ExpositionFormat::kOpenMetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case ExpositionFormat::kText:
      break;
  }
  return "text/plain; version=0.0.4; charset=utf-8";
}

std::unique_ptr<SeriesWriter> make_writer(ExpositionFormat format) {
  switch (format) {
    case ExpositionFormat::kProtobuf:
      return std::make_unique<ProtobufWriter>();
    case ExpositionFormat::kOpenMetrics:
      return std::make_unique<TextWriter>(TextDialect::kOpenMetrics);
    case ExpositionFormat::kText:
      break;
  }
  return std::make_unique<TextWriter>(TextDialect::kPrometheus);
}

}  // namespace looptap
