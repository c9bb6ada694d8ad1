#include "exporter/model/packed_histogram.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace looptap {

namespace {

constexpr size_t kMostBytes = 10;  // of one number

/// Seven bits a byte, the lowest first; the last byte has its highest bit clear.
void put(char*& at, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
  *at++ = static_cast<char>(value);
}

uint64_t next(const char*& at) {
  uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

PackedHistogram::PackedHistogram(const DurationHistogram& histogram) {
  if (histogram.buckets.empty() && !histogram.zero_count && !histogram.total_ns) return;
  const std::unique_ptr<char[]> bytes(new char[kMostBytes * (3 + 3 * histogram.buckets.size())]);
  char* at = bytes.get();
  put(at, histogram.zero_count);
  put(at, histogram.total_ns);
  put(at, histogram.buckets.size());
  uint32_t before = 0;
  for (const auto& bucket : histogram.buckets) {
    put(at, bucket.index - before);
    put(at, bucket.count);
    put(at, bucket.sum_ns);
    before = bucket.index;
  }
  bytes_.assign(bytes.get(), at);  // no larger than it must be
}

DurationHistogram PackedHistogram::unpack() const {
  DurationHistogram histogram;
  if (bytes_.empty()) return histogram;
  const char* at = bytes_.data();
  histogram.zero_count = next(at);
  histogram.total_ns = next(at);
  histogram.buckets.resize(next(at));
  uint32_t before = 0;
  for (auto& bucket : histogram.buckets) {
    bucket.index = before += static_cast<uint32_t>(next(at));
    bucket.count = next(at);
    bucket.sum_ns = next(at);
  }
  return histogram;
}

}  // namespace looptap
