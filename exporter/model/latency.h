// The latency mathematics: from the durations of iterations to what an event has to wait.
//
// An event that arrives at a uniformly random instant of the observed time T finds the loop in iteration i
// with probability d_i / T and then waits for the rest of it, so
//     P(latency > x) = S(x) / T,   S(x) = sum over the iterations of max(0, d_i - x),
// and S comes from the histogram alone: at a bucket bound x it is the sum of (sum of durations - count * x)
// over the buckets above x. That is exact from 2^-10 s on, where buckets carry sums. Between two bounds the histogram
// takes S as linear, and the quantiles take a bucket's iterations as equally long, which is exact where there is but
// one, as at the end of a tail. Closed and open iterations alike, so that nothing jumps when an open one closes.
//
// Knows nothing of files or HTTP. Everything here is a value or a pure function: thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "exporter/model/loop_sample.h"

namespace looptap {

/// What was observed in one span of time.
struct Observed {
  DurationHistogram iterations;   ///< that closed in the span
  uint64_t idle_ns = 0;           ///< waits and polls: time in which the latency is 0
  uint64_t open_at_end_ns = 0;    ///< age of the iteration that is open at the span's end; 0: none
  uint64_t open_at_start_ns = 0;  ///< age it had (or one closed in the span had) at the span's start
};

/// T of docs/design.md.
uint64_t observed_ns(const Observed& observed);

/// Upper bounds are in nanoseconds, inclusive, ascending, without the infinite one.
using Bounds = std::vector<uint64_t>;

/// A classic histogram as Prometheus exposes it.
struct ClassicHistogram {
  std::vector<uint64_t> cumulative;  ///< one per bound, and the total at the end
  double sum_seconds = 0;
};

/// Histogram of the latency, one observation per millisecond of T.
struct LatencyHistogram {
  uint64_t zero_count = 0;       ///< at most 2^-10 s
  std::vector<uint64_t> counts;  ///< buckets from LOOPTAP_FIRST_SUMMED on, up to the last that holds any
  std::vector<uint64_t> bound_counts;  ///< by classic bound: those of its bucket that lie at or below it
  double sum_seconds = 0;

  /// \param bounds those that bound_counts was made for.
  ClassicHistogram classic(const Bounds& bounds) const;

  /// Takes over from `shown`, which has the same bounds, what is greater there.
  void raise_to(const LatencyHistogram& shown);
};

class LatencyDistribution {
 public:
  /// What it can be asked for. For the histogram alone it takes half the time.
  enum class Use { kAll, kHistogram };

  explicit LatencyDistribution(const Observed& observed, Use use = Use::kAll);

  /// Of all of a loop's life.
  explicit LatencyDistribution(const LoopSample& sample, Use use = Use::kAll);

  /// Takes in another loop's: arrivals are then spread over both. Exact, since all share the buckets.
  void add(const LatencyDistribution& other);

  /// The latency in seconds that a share q (0 .. 1) of the arrivals do not exceed; NaN when T is 0.
  double quantile(double q) const;

  /// Every count is rounded down by itself and the totals are their sums, so that none ever decreases as
  /// time goes on (for spans with one start), nor as the bound grows.
  LatencyHistogram histogram(const Bounds& classic_bounds) const;

  /// S(x) in ns at bound k (0 .. LOOPTAP_BUCKETS) of the scheme; exact from LOOPTAP_FIRST_SUMMED on, and for the
  /// histogram alone not there below. The last bucket takes what is longer than its bound, so at LOOPTAP_BUCKETS it is 0.
  int64_t excess_ns(uint32_t k) const { return k < excess_ns_.size() ? excess_ns_[k] : 0; }
  int64_t observed_ns() const { return observed_ns_; }

 private:
  /// How much time with latencies of bucket `k` lies at or below x, a point of that bucket.
  int64_t weight_below(uint32_t k, uint64_t x_ns) const;

  /// What there is beside closed iterations.
  struct Rest {
    uint64_t idle_ns, open_at_end_ns, open_at_start_ns;
  };
  static Rest rest_of(const LoopSample& sample);
  LatencyDistribution(const DurationHistogram& closed, const Rest& rest, Use use);
  template <typename Wide>
  void fill(const DurationHistogram& closed, const Rest& rest, Use use);

  std::vector<int64_t> excess_ns_;  // S at every bound, up to the first that nothing lies above
  std::vector<int64_t> longer_;     // how many iterations are longer than it: by so much S falls behind it;
                                    // empty: made for the histogram alone
  int64_t away_ns_ = 0;             // S(0)
  int64_t observed_ns_ = 0;         // T
  uint64_t end_ns_ = 0;             // where the last bucket ends
};

/// Those of the latency, in seconds; NaN when nothing was observed. Most loops are away so little that all of these
/// are 0, and then it takes no time to know.
std::vector<double> latency_quantiles(const Observed& observed, const std::vector<double>& quantiles);

/// Those of the durations themselves, in seconds; NaN when there are none.
/// \param quantiles ascending.
std::vector<double> duration_quantiles(const DurationHistogram& durations,
                                       const std::vector<double>& quantiles);

/// The durations themselves by bound; within a bucket they are taken as evenly spread.
ClassicHistogram duration_histogram(const DurationHistogram& durations, const Bounds& classic_bounds);

/// The bound of the scheme (0 .. LOOPTAP_BUCKETS) nearest to a duration.
uint32_t nearest_bound(uint64_t duration_ns);
/// That bound as the exact power of two, in seconds.
double bound_seconds(uint32_t k);

/// How many durations are longer than bound k; `open_ns` is one more that is not in the histogram.
uint64_t count_longer(const DurationHistogram& durations, uint64_t open_ns, uint32_t k);

}  // namespace looptap
