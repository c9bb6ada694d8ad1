#include "exporter/model/loop_history.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exporter/model/latency.h"

namespace looptap {

namespace {

constexpr uint32_t kBucketsPerOctave = 32;
// Bucket 0 of histogram_scheme.h starts at 2^-20 s: octaves that end at or before 2^-16 s are class 0.
constexpr uint32_t kOctavesInFirstClass = 4;
constexpr size_t kColumnsPerMinute = 60'000'000'000 / LoopHistory::kColumn_ns;
constexpr double kNanosecond = 1e-9;

float seconds(uint64_t ns) { return static_cast<float>(static_cast<double>(ns) * kNanosecond); }

unsigned class_of(uint32_t bucket) {
  const uint32_t octave = bucket / kBucketsPerOctave;
  if (octave < kOctavesInFirstClass) return 0;
  return std::min<unsigned>(octave - kOctavesInFirstClass + 1, HistoryColumn::kClasses - 1);
}

}  // namespace

uint8_t HistoryColumn::log_count(uint64_t count) {
  const double eighths = std::round(8 * std::log2(1 + static_cast<double>(count)));
  return static_cast<uint8_t>(std::min(eighths, 255.0));
}

uint64_t HistoryColumn::count_of(uint8_t log_count) {
  return static_cast<uint64_t>(std::llround(std::exp2(log_count / 8.0) - 1));
}

LoopHistory::LoopHistory(const LoopSample& begin) {
  tick(begin, 0);
  columns_.clear();
}

void LoopHistory::tick(const LoopSample& sample, uint32_t unix_s) {
  const TimeTotals now = time_totals(sample);
  const uint64_t idle_ns = now.wait_ns + now.poll_ns;
  const Observed observed{sample.iterations.since(iterations_.unpack()), minus_or_zero(idle_ns, idle_ns_),
                          now.open_iteration_ns, open_ns_};

  HistoryColumn column;
  column.ended_unix_s = unix_s;
  column.busy_seconds = seconds(minus_or_zero(now.busy_ns(), busy_ns_));
  column.observed_seconds = seconds(minus_or_zero(now.observed_ns(), observed_ns_));
  if (now.observed_ns() <= observed_ns_) {
    // Ended, or dead: a loop for which no time passes is not blocked either.
    column.p50_seconds = column.p95_seconds = column.p99_seconds = std::numeric_limits<float>::quiet_NaN();
  } else {
    column.blocked_seconds = seconds(blocked_ns(sample));
    const std::vector<double> latency = latency_quantiles(observed, {0.5, 0.95, 0.99});
    column.p50_seconds = static_cast<float>(latency[0]);
    column.p95_seconds = static_cast<float>(latency[1]);
    column.p99_seconds = static_cast<float>(latency[2]);
  }

  std::array<uint64_t, HistoryColumn::kClasses> counts{observed.iterations.zero_count};
  for (const auto& bucket : observed.iterations.buckets) counts[class_of(bucket.index)] += bucket.count;
  std::transform(counts.begin(), counts.end(), column.log_counts.begin(), &HistoryColumn::log_count);

  columns_.push_back(column);
  if (columns_.size() > kColumns) columns_.pop_front();
  iterations_ = PackedHistogram(sample.iterations);
  busy_ns_ = now.busy_ns();
  idle_ns_ = idle_ns;
  observed_ns_ = now.observed_ns();
  open_ns_ = now.open_iteration_ns;
}

double LoopHistory::utilization(const LoopSample& sample) const {
  const TimeTotals now = time_totals(sample);
  double busy = seconds(minus_or_zero(now.busy_ns(), busy_ns_));
  double observed = seconds(minus_or_zero(now.observed_ns(), observed_ns_));
  const size_t first = columns_.size() - std::min(columns_.size(), kColumnsPerMinute);
  for (size_t i = first; i < columns_.size(); i++) {
    busy += columns_[i].busy_seconds;
    observed += columns_[i].observed_seconds;
  }
  return observed > 0 ? std::min(busy / observed, 1.0) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace looptap
