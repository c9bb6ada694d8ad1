// Which format a scraper gets, and what is in it.
#include "exporter/metrics/exposition/exposition.h"

#include <limits>
#include <protozero/pbf_reader.hpp>

#include "exporter/web/gzip.h"
#include "tests/unit/catch.h"

using namespace looptap;

namespace {

constexpr const char* kHelp = "Help \\ with \"quotes\"\nand a line.";

std::string example(ExpositionFormat format) {
  const auto writer = make_writer(format);
  MetricFamily counter{"x_total", kHelp, MetricType::kCounter, {}};
  MetricFamily gauge{"g_seconds", kHelp, MetricType::kGauge, {}};
  MetricFamily summary{"s_seconds", kHelp, MetricType::kSummary, {}};
  MetricFamily histogram{"h_seconds", kHelp, MetricType::kHistogram, {}};
  const LabelNumbers quantiles{LabelNumber(0.5), LabelNumber(0.99)},
      bounds{LabelNumber(0.0025), LabelNumber(1)};
  const NativeHistogram native = {5, 1.0 / 1024, 2, {{-319, 1}, {-318, 3}, {-300, 2}, {4, 1}}};
  writer->set_labels({{"process", "a\"b\\c\nd"}});
  writer->add_value(counter, 12345678.5);
  writer->add_summary(summary, quantiles, {0, std::numeric_limits<double>::quiet_NaN()}, 7, 1e-7);
  writer->add_histogram(histogram, bounds, {4, 6, 9}, 3, writer->has_natives() ? &native : nullptr);
  writer->set_labels({});
  writer->add_value(gauge, 0.1);
  return writer->join({counter, gauge, summary, histogram});
}

}  // namespace

TEST_CASE("the format is the one that the scraper prefers") {
  const auto chosen = [](const char* accept) { return choose_format(accept); };
  CHECK(chosen("") == ExpositionFormat::kText);
  CHECK(chosen("*/*") == ExpositionFormat::kText);
  CHECK(chosen("text/html,application/xhtml+xml,*/*;q=0.8") == ExpositionFormat::kText);
  // Prometheus 2.42
  CHECK(chosen("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
               "text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == ExpositionFormat::kOpenMetrics);
  CHECK(chosen("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
               "application/openmetrics-text;version=1.0.0;q=0.8,application/"
               "openmetrics-text;version=0.0.1;q=0.75,"
               "text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == ExpositionFormat::kProtobuf);
  CHECK(chosen("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text;q=0.9,"
               "text/plain;q=0.5") == ExpositionFormat::kText);
  CHECK(chosen("application/openmetrics-text; version=0.0.1") == ExpositionFormat::kText);
  CHECK(chosen("TEXT/PLAIN ; VERSION=0.0.4 ; q=0.3 , application/openmetrics-text;q=0.2") ==
        ExpositionFormat::kText);
  CHECK(chosen(";;;,,,q=,=;") == ExpositionFormat::kText);
}

TEST_CASE("text 0.0.4") {
  CHECK(example(ExpositionFormat::kText) ==
        "# HELP x_total Help \\\\ with \"quotes\"\\nand a line.\n"
        "# TYPE x_total counter\n"
        "x_total{process=\"a\\\"b\\\\c\\nd\"} 12345678.5\n"
        "# HELP g_seconds Help \\\\ with \"quotes\"\\nand a line.\n"
        "# TYPE g_seconds gauge\n"
        "g_seconds 0.1\n"
        "# HELP s_seconds Help \\\\ with \"quotes\"\\nand a line.\n"
        "# TYPE s_seconds summary\n"
        "s_seconds{process=\"a\\\"b\\\\c\\nd\",quantile=\"0.5\"} 0\n"
        "s_seconds{process=\"a\\\"b\\\\c\\nd\",quantile=\"0.99\"} NaN\n"
        "s_seconds_sum{process=\"a\\\"b\\\\c\\nd\"} 1e-07\n"
        "s_seconds_count{process=\"a\\\"b\\\\c\\nd\"} 7\n"
        "# HELP h_seconds Help \\\\ with \"quotes\"\\nand a line.\n"
        "# TYPE h_seconds histogram\n"
        "h_seconds_bucket{process=\"a\\\"b\\\\c\\nd\",le=\"0.0025\"} 4\n"
        "h_seconds_bucket{process=\"a\\\"b\\\\c\\nd\",le=\"1.0\"} 6\n"
        "h_seconds_bucket{process=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 9\n"
        "h_seconds_sum{process=\"a\\\"b\\\\c\\nd\"} 3\n"
        "h_seconds_count{process=\"a\\\"b\\\\c\\nd\"} 9\n");
}

TEST_CASE("numbers in labels have a point, those beside them have none where they are whole") {
  for (const auto& [number, text] : std::vector<std::pair<double, const char*>>{
           {1, "1.0"}, {0.5, "0.5"}, {100000, "100000.0"}, {1e-7, "1e-07"}, {1e300, "1e+300"}})
    CHECK(LabelNumber(number).text == text);
  MetricFamily family{"a", "b", MetricType::kGauge, {}};
  const auto writer = make_writer(ExpositionFormat::kText);
  for (const double value : {0.0, 100000.0, 9007199254740991.0, -2.0, 1e300, 0.25})
    writer->add_value(family, value);
  CHECK(family.series == "a 0\na 100000\na 9007199254740991\na -2\na 1e+300\na 0.25\n");
}

TEST_CASE("OpenMetrics: counters are named without their suffix, and the text has an end") {
  const std::string text = example(ExpositionFormat::kOpenMetrics);
  CHECK(text.starts_with("# HELP x Help \\\\ with \\\"quotes\\\"\\nand a line.\n# TYPE x counter\nx_total{"));
  CHECK(text.ends_with("\n# EOF\n"));
}

TEST_CASE("protobuf: the native histogram stands beside the classic one") {
  const std::string bytes = example(ExpositionFormat::kProtobuf);
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  int families = 0;
  bool native_seen = false;
  while (at != end) {
    const uint64_t length = protozero::decode_varint(&at, end);
    protozero::pbf_reader message(at, length);
    at += length;
    families++;
    std::string name;
    while (message.next()) {
      if (message.tag() == 1) {
        name = message.get_string();
      } else if (message.tag() == 4 && name == "h_seconds") {
        protozero::pbf_reader metric = message.get_message();
        REQUIRE(metric.next(1));
        CHECK(metric.get_message().next(1));
        REQUIRE(metric.next(7));
        protozero::pbf_reader histogram = metric.get_message();
        std::vector<std::pair<int32_t, uint32_t>> spans;
        std::vector<int64_t> deltas;
        int classic = 0;
        while (histogram.next()) switch (histogram.tag()) {
            case 1:
              CHECK(histogram.get_uint64() == 9);
              break;
            case 3:
              classic++;
              histogram.skip();
              break;
            case 5:
              CHECK(histogram.get_sint32() == 5);
              break;
            case 6:
              CHECK(histogram.get_double() == 1.0 / 1024);
              break;
            case 7:
              CHECK(histogram.get_uint64() == 2);
              break;
            case 12: {
              protozero::pbf_reader span = histogram.get_message();
              spans.emplace_back();
              while (span.next()) {
                if (span.tag() == 1)
                  spans.back().first = span.get_sint32();
                else
                  spans.back().second = span.get_uint32();
              }
              break;
            }
            case 13:
              for (const int64_t delta : histogram.get_packed_sint64()) deltas.push_back(delta);
              break;
            default:
              histogram.skip();
          }
        CHECK(classic == 3);
        CHECK(spans == std::vector<std::pair<int32_t, uint32_t>>{{-319, 2}, {17, 1}, {303, 1}});
        CHECK(deltas == std::vector<int64_t>{1, 2, -1, -1});
        native_seen = true;
      } else {
        message.skip();
      }
    }
  }
  CHECK(families == 4);
  CHECK(native_seen);
}

TEST_CASE("gzip only for those who ask for it") {
  CHECK(accepts_gzip("gzip"));
  CHECK(accepts_gzip("deflate, gzip;q=0.5"));
  CHECK(accepts_gzip("*"));
  CHECK_FALSE(accepts_gzip(""));
  CHECK_FALSE(accepts_gzip("identity"));
  CHECK_FALSE(accepts_gzip("gzip;q=0"));
  CHECK(gzip(std::string(100'000, 'x')).size() < 1000);
}
