#include "exporter/protobuf_format.h"

#include <protozero/pbf_builder.hpp>
#include <protozero/varint.hpp>

#include <iterator>

namespace looptap {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Field numbers of https://github.com/prometheus/client_model, io/prometheus/client/metrics.proto.
enum class FamilyField : protozero::pbf_tag_type { kName = 1, kHelp = 2, kType = 3, kMetric = 4 };
enum class MetricField : protozero::pbf_tag_type {
  kLabel = 1,
  kGauge = 2,
  kCounter = 3,
  kSummary = 4,
  kHistogram = 7
};
enum class LabelField : protozero::pbf_tag_type { kName = 1, kValue = 2 };
enum class ValueField : protozero::pbf_tag_type { kValue = 1 };
enum class SummaryField : protozero::pbf_tag_type { kCount = 1, kSum = 2, kQuantile = 3 };
enum class QuantileField : protozero::pbf_tag_type { kQuantile = 1, kValue = 2 };
enum class HistogramField : protozero::pbf_tag_type {
  kCount = 1,
  kSum = 2,
  kBucket = 3,
  kSchema = 5,
  kZeroThreshold = 6,
  kZeroCount = 7,
  kPositiveSpan = 12,
  kPositiveDelta = 13
};
enum class BucketField : protozero::pbf_tag_type { kCumulativeCount = 1, kUpperBound = 2 };
enum class SpanField : protozero::pbf_tag_type { kOffset = 1, kLength = 2 };

int32_t type_number(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return 0;
    case MetricType::Gauge:
      return 1;
    case MetricType::Summary:
      return 2;
    case MetricType::Histogram:
      return 4;
    default:
      return 3;
  }
}

/// Runs of neighbouring buckets: the first offset is a bucket's index, the others are gaps; the counts are
/// differences from one bucket to the next, whatever lies between them.
void add_native(const NativeHistogram& native, protozero::pbf_builder<HistogramField>& histogram) {
  histogram.add_sint32(HistogramField::kSchema, native.schema);
  histogram.add_double(HistogramField::kZeroThreshold, native.zero_threshold);
  histogram.add_uint64(HistogramField::kZeroCount, native.zero_count);
  int32_t next = 0;
  for (size_t i = 0; i < native.buckets.size();) {
    size_t end = i + 1;
    while (end < native.buckets.size() && native.buckets[end].index == native.buckets[end - 1].index + 1)
      end++;
    protozero::pbf_builder<SpanField> span(histogram, HistogramField::kPositiveSpan);
    span.add_sint32(SpanField::kOffset, native.buckets[i].index - next);
    span.add_uint32(SpanField::kLength, static_cast<uint32_t>(end - i));
    next = native.buckets[end - 1].index + 1;
    i = end;
  }
  std::vector<int64_t> deltas;
  uint64_t before = 0;
  for (const NativeHistogram::Bucket& bucket : native.buckets) {
    deltas.push_back(static_cast<int64_t>(bucket.count - before));  // modulo 2^64, as its reader adds them up
    before = bucket.count;
  }
  histogram.add_packed_sint64(HistogramField::kPositiveDelta, deltas.begin(), deltas.end());
}

void add_value(MetricType type, const ClientMetric& from, const NativeHistogram* native,
               protozero::pbf_builder<MetricField>& metric) {
  switch (type) {
    case MetricType::Counter: {
      protozero::pbf_builder<ValueField> counter(metric, MetricField::kCounter);
      counter.add_double(ValueField::kValue, from.counter.value);
      break;
    }
    case MetricType::Summary: {
      protozero::pbf_builder<SummaryField> summary(metric, MetricField::kSummary);
      summary.add_uint64(SummaryField::kCount, from.summary.sample_count);
      summary.add_double(SummaryField::kSum, from.summary.sample_sum);
      for (const auto& quantile : from.summary.quantile) {
        protozero::pbf_builder<QuantileField> to(summary, SummaryField::kQuantile);
        to.add_double(QuantileField::kQuantile, quantile.quantile);
        to.add_double(QuantileField::kValue, quantile.value);
      }
      break;
    }
    case MetricType::Histogram: {
      protozero::pbf_builder<HistogramField> histogram(metric, MetricField::kHistogram);
      histogram.add_uint64(HistogramField::kCount, from.histogram.sample_count);
      histogram.add_double(HistogramField::kSum, from.histogram.sample_sum);
      for (const auto& bucket : from.histogram.bucket) {
        protozero::pbf_builder<BucketField> to(histogram, HistogramField::kBucket);
        to.add_uint64(BucketField::kCumulativeCount, bucket.cumulative_count);
        to.add_double(BucketField::kUpperBound, bucket.upper_bound);
      }
      if (native) add_native(*native, histogram);
      break;
    }
    default: {
      protozero::pbf_builder<ValueField> gauge(metric, MetricField::kGauge);
      gauge.add_double(ValueField::kValue, from.gauge.value);
    }
  }
}

}  // namespace

std::string to_protobuf(const Exposition& exposition) {
  std::string result, message;
  for (size_t f = 0; f < exposition.families.size(); f++) {
    const MetricFamily& from = exposition.families[f];
    message.clear();
    protozero::pbf_builder<FamilyField> family(message);
    family.add_string(FamilyField::kName, from.name);
    family.add_string(FamilyField::kHelp, from.help);
    family.add_enum(FamilyField::kType, type_number(from.type));
    for (size_t m = 0; m < from.metric.size(); m++) {
      protozero::pbf_builder<MetricField> metric(family, FamilyField::kMetric);
      for (const auto& label : from.metric[m].label) {
        protozero::pbf_builder<LabelField> to(metric, MetricField::kLabel);
        to.add_string(LabelField::kName, label.name);
        to.add_string(LabelField::kValue, label.value);
      }
      const auto native = exposition.natives.find({f, m});
      add_value(from.type, from.metric[m], native == exposition.natives.end() ? nullptr : &native->second,
                metric);
    }
    protozero::write_varint(std::back_inserter(result), message.size());
    result += message;
  }
  return result;
}

}  // namespace looptap
