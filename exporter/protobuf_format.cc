#include "exporter/protobuf_format.h"

#include <protozero/pbf_builder.hpp>
#include <protozero/varint.hpp>

#include <cstring>
#include <limits>

namespace looptap {

namespace {

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
    case MetricType::kCounter:
      return 0;
    case MetricType::kGauge:
      return 1;
    case MetricType::kSummary:
      return 2;
    case MetricType::kHistogram:
      break;
  }
  return 4;
}

MetricField value_field(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return MetricField::kCounter;
    case MetricType::kGauge:
      return MetricField::kGauge;
    case MetricType::kSummary:
      return MetricField::kSummary;
    case MetricType::kHistogram:
      break;
  }
  return MetricField::kHistogram;
}

// A builder makes room for a submessage's length and moves the message when it knows it. For the many small ones, and
// for the large ones that are written once, the length is known before, and they are put together here.

void append_varint(std::string& to, uint64_t value) {
  char bytes[protozero::max_varint_length];
  to.append(bytes, static_cast<size_t>(protozero::write_varint(bytes, value)));
}

template <typename Field>
void append_length(std::string& to, Field field, uint64_t length) {
  constexpr uint64_t kLengthDelimited = 2;
  append_varint(to, static_cast<uint64_t>(field) << 3 | kLengthDelimited);
  append_varint(to, length);
}

template <typename Field>
void append_bytes(std::string& to, Field field, const std::string& bytes) {
  append_length(to, field, bytes.size());
  to += bytes;
}

/// A message of a number and a double, which most of a histogram consists of.
void append_bucket(std::string& to, uint64_t cumulative, double upper_bound) {
  char bytes[2 + protozero::max_varint_length + sizeof upper_bound];
  char* at = bytes;
  *at++ = static_cast<char>(BucketField::kCumulativeCount) << 3;
  at += protozero::write_varint(at, cumulative);
  *at++ = static_cast<char>(static_cast<unsigned>(BucketField::kUpperBound) << 3 | 1);
#if PROTOZERO_BYTE_ORDER != PROTOZERO_LITTLE_ENDIAN
#error "doubles are copied as they are"
#endif
  memcpy(at, &upper_bound, sizeof upper_bound);
  at += sizeof upper_bound;
  append_length(to, HistogramField::kBucket, static_cast<uint64_t>(at - bytes));
  to.append(bytes, at);
}

/// Runs of neighbouring buckets: the first offset is a bucket's index, the others are gaps; the counts are
/// differences from one bucket to the next, whatever lies between them.
void append_native(const NativeHistogram& native, std::string& to, std::string& deltas) {
  protozero::pbf_builder<HistogramField> histogram(to);
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
  deltas.clear();
  uint64_t before = 0;
  for (const NativeHistogram::Bucket& bucket : native.buckets) {
    // Modulo 2^64, as its reader adds them up.
    append_varint(deltas, protozero::encode_zigzag64(static_cast<int64_t>(bucket.count - before)));
    before = bucket.count;
  }
  if (!deltas.empty()) append_bytes(to, HistogramField::kPositiveDelta, deltas);
}

}  // namespace

void ProtobufWriter::set_labels(const Labels& labels) {
  labels_.clear();
  protozero::pbf_builder<MetricField> metric(labels_);
  for (const Label& label : labels) {
    protozero::pbf_builder<LabelField> to(metric, MetricField::kLabel);
    to.add_string(LabelField::kName, label.name.data(), label.name.size());
    to.add_string(LabelField::kValue, label.value.data(), label.value.size());
  }
}

void ProtobufWriter::add_metric(MetricFamily& family) const {
  const MetricField field = value_field(family.type);
  const uint64_t size =
      labels_.size() + 1 + static_cast<uint64_t>(protozero::length_of_varint(value_.size())) + value_.size();
  append_length(family.series, FamilyField::kMetric, size);
  family.series += labels_;
  append_bytes(family.series, field, value_);
}

void ProtobufWriter::add_value(MetricFamily& family, double value) {
  value_.clear();
  protozero::pbf_builder<ValueField>(value_).add_double(ValueField::kValue, value);
  add_metric(family);
}

void ProtobufWriter::add_summary(MetricFamily& family, const LabelNumbers& quantiles,
                                 const std::vector<double>& values, uint64_t count, double sum) {
  value_.clear();
  protozero::pbf_builder<SummaryField> summary(value_);
  summary.add_uint64(SummaryField::kCount, count);
  summary.add_double(SummaryField::kSum, sum);
  for (size_t i = 0; i < quantiles.size(); i++) {
    protozero::pbf_builder<QuantileField> to(summary, SummaryField::kQuantile);
    to.add_double(QuantileField::kQuantile, quantiles[i].value);
    to.add_double(QuantileField::kValue, values[i]);
  }
  add_metric(family);
}

void ProtobufWriter::add_histogram(MetricFamily& family, const LabelNumbers& bounds,
                                   const std::vector<uint64_t>& cumulative, double sum,
                                   const NativeHistogram* native) {
  value_.clear();
  protozero::pbf_builder<HistogramField> histogram(value_);
  histogram.add_uint64(HistogramField::kCount, cumulative.back());
  histogram.add_double(HistogramField::kSum, sum);
  for (size_t i = 0; i < bounds.size(); i++) append_bucket(value_, cumulative[i], bounds[i].value);
  append_bucket(value_, cumulative.back(), std::numeric_limits<double>::infinity());
  if (native) append_native(*native, value_, deltas_);
  add_metric(family);
}

std::string ProtobufWriter::join(std::vector<MetricFamily> families) const {
  size_t size = 0;
  for (const MetricFamily& family : families) size += family.series.size() + 1000;
  std::string result, head;
  result.reserve(size);
  for (MetricFamily& family : families) {
    head.clear();
    protozero::pbf_builder<FamilyField> message(head);
    message.add_string(FamilyField::kName, family.name);
    message.add_string(FamilyField::kHelp, family.help);
    message.add_enum(FamilyField::kType, type_number(family.type));
    append_varint(result, head.size() + family.series.size());
    result += head;
    result += family.series;
    std::string().swap(family.series);  // as soon as may be: these are megabytes
  }
  return result;
}

}  // namespace looptap
