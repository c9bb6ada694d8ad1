#include "exporter/metrics/exposition/protobuf_format.h"

#include <protozero/pbf_builder.hpp>
#include <protozero/varint.hpp>

#include <cstring>
#include <limits>
#include <string_view>

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

// A builder makes room for a submessage's length and moves the message when it knows it, and adds byte by byte. Of what a
// scrape has thousands the length is known before, or at least how long it can get: that is put together here, in a
// scratch buffer that is made large enough first.

#if PROTOZERO_BYTE_ORDER != PROTOZERO_LITTLE_ENDIAN
#error "doubles are copied as they are"
#endif

constexpr size_t kMostVarint = protozero::max_varint_length;

template <typename Field>
constexpr uint64_t tag(Field field, protozero::pbf_wire_type type) {
  return static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(type);
}

void put_varint(char*& at, uint64_t value) { at += protozero::write_varint(at, value); }

/// A field number below 16 is assumed, as all are that this is used for: one byte.
template <typename Field>
void put_varint(char*& at, Field field, uint64_t value) {
  *at++ = static_cast<char>(tag(field, protozero::pbf_wire_type::varint));
  put_varint(at, value);
}

template <typename Field>
void put_double(char*& at, Field field, double value) {
  *at++ = static_cast<char>(tag(field, protozero::pbf_wire_type::fixed64));
  memcpy(at, &value, sizeof value);
  at += sizeof value;
}

template <typename Field>
void put_length(char*& at, Field field, uint64_t length) {
  *at++ = static_cast<char>(tag(field, protozero::pbf_wire_type::length_delimited));
  put_varint(at, length);
}

template <typename Field>
void put_bytes(char*& at, Field field, std::string_view bytes) {
  put_length(at, field, bytes.size());
  memcpy(at, bytes.data(), bytes.size());
  at += bytes.size();
}

size_t size_of_bytes(std::string_view bytes) {
  return 1 + static_cast<size_t>(protozero::length_of_varint(bytes.size())) + bytes.size();
}

/// What `put` writes from the place that it is given on, at most `most` bytes.
std::string_view encode_into(std::vector<char>& scratch, size_t most, const auto& put) {
  if (scratch.size() < most) scratch.resize(most);
  char* at = scratch.data();
  put(at);
  return {scratch.data(), static_cast<size_t>(at - scratch.data())};
}

constexpr size_t kMostTotals = 1 + kMostVarint + 1 + sizeof(double);  // count and sum
constexpr size_t kMostBucket = 2 + 1 + kMostVarint + 1 + sizeof(double);

void put_bucket(char*& at, uint64_t cumulative, double upper_bound) {
  const auto size = 1 + protozero::length_of_varint(cumulative) + 1 + static_cast<int>(sizeof(double));
  put_length(at, HistogramField::kBucket, static_cast<uint64_t>(size));
  put_varint(at, BucketField::kCumulativeCount, cumulative);
  put_double(at, BucketField::kUpperBound, upper_bound);
}

constexpr size_t kQuantileSize = 2 * (1 + sizeof(double));

void put_quantile(char*& at, double quantile, double value) {
  put_length(at, SummaryField::kQuantile, kQuantileSize);
  put_double(at, QuantileField::kQuantile, quantile);
  put_double(at, QuantileField::kValue, value);
}

constexpr size_t kMostSpan = 2 + 2 * (1 + kMostVarint);

void put_span(char*& at, int32_t offset, uint64_t length) {
  const uint64_t gap = protozero::encode_zigzag32(offset);
  const auto size = 2 + protozero::length_of_varint(gap) + protozero::length_of_varint(length);
  put_length(at, HistogramField::kPositiveSpan, static_cast<uint64_t>(size));
  put_varint(at, SpanField::kOffset, gap);
  put_varint(at, SpanField::kLength, length);
}

/// Runs of neighbouring buckets: the first offset is a bucket's index, the others are gaps; the counts are
/// differences from one bucket to the next, whatever lies between them.
void put_native(char*& at, const NativeHistogram& native, std::vector<char>& scratch) {
  put_varint(at, HistogramField::kSchema, protozero::encode_zigzag32(native.schema));
  put_double(at, HistogramField::kZeroThreshold, native.zero_threshold);
  put_varint(at, HistogramField::kZeroCount, native.zero_count);
  int32_t next = 0;
  for (size_t i = 0; i < native.buckets.size();) {
    size_t end = i + 1;
    while (end < native.buckets.size() && native.buckets[end].index == native.buckets[end - 1].index + 1)
      end++;
    put_span(at, native.buckets[i].index - next, end - i);
    next = native.buckets[end - 1].index + 1;
    i = end;
  }
  const auto deltas = encode_into(scratch, kMostVarint * native.buckets.size(), [&](char*& to) {
    uint64_t before = 0;
    for (const NativeHistogram::Bucket& bucket : native.buckets) {
      // Modulo 2^64, as its reader adds them up.
      put_varint(to, protozero::encode_zigzag64(static_cast<int64_t>(bucket.count - before)));
      before = bucket.count;
    }
  });
  if (!deltas.empty()) put_bytes(at, HistogramField::kPositiveDelta, deltas);
}

size_t most_of_native(const NativeHistogram& native) {
  constexpr size_t kNumbers = 2 * (1 + kMostVarint) + 1 + sizeof(double);
  return kNumbers + native.buckets.size() * (kMostSpan + kMostVarint) + 1 + kMostVarint;
}

}  // namespace

void ProtobufWriter::set_labels(const Labels& labels) {
  labels_.clear();
  for (const Label& label : labels) {
    const size_t size = size_of_bytes(label.name) + size_of_bytes(label.value);
    labels_ += encode_into(scratch_, 1 + kMostVarint + size, [&](char*& at) {
      put_length(at, MetricField::kLabel, size);
      put_bytes(at, LabelField::kName, label.name);
      put_bytes(at, LabelField::kValue, label.value);
    });
  }
}

void ProtobufWriter::add_metric(MetricFamily& family, std::string_view value) const {
  char head[2 * (1 + kMostVarint)];
  char* at = head;
  put_length(at, FamilyField::kMetric, labels_.size() + size_of_bytes(value));
  family.series.append(head, at).append(labels_);
  at = head;
  put_length(at, value_field(family.type), value.size());
  family.series.append(head, at).append(value);
}

void ProtobufWriter::add_value(MetricFamily& family, double value) {
  add_metric(family, encode_into(scratch_, 1 + sizeof value,
                                 [&](char*& at) { put_double(at, ValueField::kValue, value); }));
}

void ProtobufWriter::add_summary(MetricFamily& family, const LabelNumbers& quantiles,
                                 const std::vector<double>& values, uint64_t count, double sum) {
  const size_t most = kMostTotals + quantiles.size() * (2 + kQuantileSize);
  add_metric(family, encode_into(scratch_, most, [&](char*& at) {
               put_varint(at, SummaryField::kCount, count);
               put_double(at, SummaryField::kSum, sum);
               for (size_t i = 0; i < quantiles.size(); i++) put_quantile(at, quantiles[i].value, values[i]);
             }));
}

void ProtobufWriter::add_histogram(MetricFamily& family, const LabelNumbers& bounds,
                                   const std::vector<uint64_t>& cumulative, double sum,
                                   const NativeHistogram* native) {
  const size_t most = kMostTotals + cumulative.size() * kMostBucket + (native ? most_of_native(*native) : 0);
  add_metric(family, encode_into(scratch_, most, [&](char*& at) {
               put_varint(at, HistogramField::kCount, cumulative.back());
               put_double(at, HistogramField::kSum, sum);
               for (size_t i = 0; i < bounds.size(); i++) put_bucket(at, cumulative[i], bounds[i].value);
               put_bucket(at, cumulative.back(), std::numeric_limits<double>::infinity());
               if (native) put_native(at, *native, delta_scratch_);
             }));
}

std::string ProtobufWriter::join(std::vector<MetricFamily> families) const {
  size_t size = 0;
  for (const MetricFamily& family : families) size += family.series.size() + 1000;
  std::string result, head;
  std::vector<char> scratch;
  result.reserve(size);
  for (MetricFamily& family : families) {
    head.clear();
    protozero::pbf_builder<FamilyField> message(head);
    message.add_string(FamilyField::kName, family.name);
    message.add_string(FamilyField::kHelp, family.help);
    message.add_enum(FamilyField::kType, type_number(family.type));
    result += encode_into(scratch, kMostVarint,
                          [&](char*& at) { put_varint(at, head.size() + family.series.size()); });
    result += head;
    result += family.series;
    std::string().swap(family.series);  // as soon as may be: these are megabytes
  }
  return result;
}

}  // namespace looptap
