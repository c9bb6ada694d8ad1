// The last ten minutes of a loop, for a picture: kept whether or not anybody asks, in 7 KB a loop.
//
// Not thread-safe. Nothing throws but for want of memory. Seconds in what is kept, nanoseconds in samples.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "exporter/model/loop_sample.h"
#include "exporter/model/packed_histogram.h"

namespace looptap {

/// What a loop did in one span of a few seconds. 60 bytes, as there are 120 of them for each loop.
struct HistoryColumn {
  /// Durations of iterations by octave: class 0 up to 2^-16 s (15 us), class i up to 2^(i-16) s, the last one, as the last
  /// octave of the segment's histogram, whatever is longer than 2^11 s (34 min).
  static constexpr unsigned kClasses = 29;
  static constexpr int kFirstClassExponent = -16;

  uint32_t ended_unix_s = 0;
  float p50_seconds = 0, p95_seconds = 0,
        p99_seconds = 0;                         ///< of the latency in this span; NaN: none observed
  float busy_seconds = 0, observed_seconds = 0;  ///< docs/design.md: busy, and T
  float blocked_seconds = 0;                     ///< at the end of the span; 0: not blocked
  std::array<uint8_t, kClasses> log_counts{};    ///< closed iterations, as of log_count()

  /// A count as the eighth part of its logarithm to the base of 2, within 5 % of it up to 2^31.
  static uint8_t log_count(uint64_t count);
  static uint64_t count_of(uint8_t log_count);  ///< 0 for 0 and 1 for 1, exactly
};

/// Its figures are those of the columns alone, not of --latency.window: a picture shows when something was.
/// Not thread-safe.
class LoopHistory {
 public:
  static constexpr uint64_t kColumn_ns = 5'000'000'000;  ///< the owner calls tick() this often
  static constexpr size_t kColumns = 120;                ///< ten minutes

  LoopHistory() = default;
  /// \param begin what was before it is not in the history; LoopSample() for none.
  explicit LoopHistory(const LoopSample& begin);

  void tick(const LoopSample& sample, uint32_t unix_s);

  std::vector<HistoryColumn> columns() const { return {columns_.begin(), columns_.end()}; }  ///< oldest first

  /// Busy share of the last minute up to `sample`; NaN where nothing was observed.
  double utilization(const LoopSample& sample) const;

 private:
  std::deque<HistoryColumn> columns_;
  // At the last tick.
  PackedHistogram iterations_;
  uint64_t busy_ns_ = 0, idle_ns_ = 0, observed_ns_ = 0, open_ns_ = 0;
};

}  // namespace looptap
