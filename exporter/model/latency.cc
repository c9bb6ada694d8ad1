#include "exporter/model/latency.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exporter/model/histogram_bounds.h"

namespace looptap {

namespace {

constexpr uint64_t kObservation_ns = 1'000'000;  // one observation per millisecond of T
constexpr double kNanosecond = 1e-9;

// Counters are untrusted input: what does not fit is cut off, far beyond any time a machine has been up (73 years),
// and low enough that two of them can be added.
constexpr int64_t kMost_ns = int64_t{1} << 61;

int64_t as_signed(uint64_t value) {
  return static_cast<int64_t>(std::min<uint64_t>(value, static_cast<uint64_t>(kMost_ns)));
}

/// value * part / whole, rounded down, without overflow.
uint64_t share(uint64_t value, uint64_t part, uint64_t whole) {
  uint64_t product;
  if (!__builtin_mul_overflow(value, part, &product)) return product / whole;  // the fast one
  return static_cast<uint64_t>(static_cast<unsigned __int128>(value) * part / whole);
}

/// Where in its bucket a duration below 2^-10 s lies on average, 0 (lower bound) .. 1 (upper bound): these
/// buckets carry no sums, but what all of them sum up to is known.
double mean_place(const DurationHistogram& durations) {
  double total = static_cast<double>(durations.total_ns);
  double spread = static_cast<double>(durations.zero_count) * static_cast<double>(bound_ns(0));
  double lowest = 0;
  for (const auto& bucket : durations.buckets) {
    const double count = static_cast<double>(bucket.count);
    if (bucket.index >= LOOPTAP_FIRST_SUMMED) {
      total -= static_cast<double>(bucket.sum_ns);
      continue;
    }
    lowest += count * static_cast<double>(bound_ns(bucket.index));
    spread += count * static_cast<double>(bound_ns(bucket.index + 1) - bound_ns(bucket.index));
  }
  return spread > 0 ? std::clamp((total - lowest) / spread, 0.0, 1.0) : 0;
}

/// The bucket in which a duration above 2^-10 s lies, bounds inclusive; LOOPTAP_BUCKETS beyond the last.
uint32_t bucket_of_bound(uint64_t x_ns) {
  return x_ns > bound_ns(LOOPTAP_BUCKETS) ? uint32_t{LOOPTAP_BUCKETS}
                                          : static_cast<uint32_t>(looptap_bucket(x_ns));
}

/// S(0): the time away.
int64_t away_of(const DurationHistogram& closed, uint64_t open_at_end_ns, uint64_t open_at_start_ns) {
  const int64_t away_ns =
      as_signed(closed.total_ns) + as_signed(open_at_end_ns) - as_signed(open_at_start_ns);
  return std::clamp<int64_t>(away_ns, 0, kMost_ns);
}
int64_t away_of(const Observed& observed) {
  return away_of(observed.iterations, observed.open_at_end_ns, observed.open_at_start_ns);
}

}  // namespace

uint64_t observed_ns(const Observed& observed) {
  return static_cast<uint64_t>(as_signed(observed.idle_ns) + away_of(observed));
}

LatencyDistribution::LatencyDistribution(const Observed& observed, Use use)
    : LatencyDistribution(observed.iterations,
                          {observed.idle_ns, observed.open_at_end_ns, observed.open_at_start_ns}, use) {}

LatencyDistribution::LatencyDistribution(const LoopSample& sample, Use use)
    : LatencyDistribution(sample.iterations, rest_of(sample), use) {}

LatencyDistribution::Rest LatencyDistribution::rest_of(const LoopSample& sample) {
  const TimeTotals totals = time_totals(sample);
  return {totals.wait_ns + totals.poll_ns, totals.open_iteration_ns, 0};
}

LatencyDistribution::LatencyDistribution(const DurationHistogram& closed, const Rest& rest, Use use)
    : end_ns_(bound_ns(LOOPTAP_BUCKETS)) {
  away_ns_ = away_of(closed, rest.open_at_end_ns, rest.open_at_start_ns);
  observed_ns_ = as_signed(rest.idle_ns) + away_ns_;

  // Above the longest of all there is nothing: S is 0 there already.
  uint32_t end = closed.buckets.empty() ? 0 : closed.buckets.back().index + 1;
  for (const uint64_t open_ns : {rest.open_at_end_ns, rest.open_at_start_ns})
    if (open_ns > bound_ns(0))
      end = std::max(end, std::min(bucket_of_bound(open_ns) + 1, uint32_t{LOOPTAP_BUCKETS}));
  excess_ns_.resize(end + 1);
  if (use == Use::kAll) longer_.resize(end + 1);

  // Where a hostile count times a bound may have up to 117 bits, it is given the room.
  uint64_t sum_ns = 0;
  for (const auto& bucket : closed.buckets) sum_ns = sum_of(sum_ns, bucket.sum_ns);
  constexpr uint64_t kHalf_ns = kMost_ns / 2;
  const bool is_plausible = sum_ns < kHalf_ns && closed.count() < kHalf_ns / bound_ns(end);
  if (is_plausible)
    fill<int64_t>(closed, rest, use);
  else
    fill<__int128>(closed, rest, use);

  // The last bucket has no end of its own: it reaches as far as its longest iteration, or their mean.
  end_ns_ = std::max(end_ns_, rest.open_at_end_ns);
  if (!closed.buckets.empty() && closed.buckets.back().index == LOOPTAP_BUCKETS - 1)
    end_ns_ = std::max(end_ns_, closed.buckets.back().sum_ns / closed.buckets.back().count);
}

/// From the longest bucket down: what lies above a bound, as a count and a sum. Both change at the bounds of buckets that
/// hold any, and are the same from there to the next.
template <typename Wide>
void LatencyDistribution::fill(const DurationHistogram& closed, const Rest& rest, Use use) {
  const int64_t open_at_end = as_signed(rest.open_at_end_ns);
  const int64_t open_at_start = as_signed(rest.open_at_start_ns);
  const uint32_t lowest_bound = use == Use::kAll ? 0 : LOOPTAP_FIRST_SUMMED;
  const double place = use == Use::kAll ? mean_place(closed) : 0;
  Wide count = 0, sum_ns = 0;
  auto bucket = closed.buckets.rbegin();
  auto k = static_cast<uint32_t>(excess_ns_.size() - 1);
  while (k > lowest_bound) {
    if (bucket != closed.buckets.rend() && bucket->index == k - 1) {
      count += static_cast<Wide>(bucket->count);
      if (bucket->index >= LOOPTAP_FIRST_SUMMED) {
        sum_ns += static_cast<Wide>(bucket->sum_ns);
      } else {
        const double low = static_cast<double>(bound_ns(bucket->index));
        const double high = static_cast<double>(bound_ns(bucket->index + 1));
        sum_ns += static_cast<Wide>(static_cast<double>(bucket->count) * (low + place * (high - low)));
      }
      ++bucket;
    }
    const uint32_t last = bucket == closed.buckets.rend() ? 0 : bucket->index + 1;
    for (const uint32_t end = std::max(last, lowest_bound); k > end;) {
      const int64_t x = as_signed(bound_ns(--k));
      const Wide excess = sum_ns - count * x + std::max<int64_t>(0, open_at_end - x) -
                          std::max<int64_t>(0, open_at_start - x);
      excess_ns_[k] = static_cast<int64_t>(std::clamp<Wide>(excess, excess_ns_[k + 1], away_ns_));
      if (use != Use::kAll) continue;
      const Wide longer = count + (open_at_end > x) - (open_at_start > x);
      longer_[k] = static_cast<int64_t>(std::clamp<Wide>(longer, longer_[k + 1], kMost_ns));
    }
  }
}

void LatencyDistribution::add(const LatencyDistribution& other) {
  // Cut off as each of them is, so that this can be done again and again; what was ordered stays so.
  const auto add_up = [](int64_t& sum, int64_t value) { sum = std::min(sum + value, 2 * (kMost_ns - 1)); };
  excess_ns_.resize(std::max(excess_ns_.size(), other.excess_ns_.size()));
  longer_.resize(std::max(longer_.size(), other.longer_.size()));
  for (size_t k = 0; k < other.excess_ns_.size(); k++) add_up(excess_ns_[k], other.excess_ns_[k]);
  for (size_t k = 0; k < other.longer_.size(); k++) add_up(longer_[k], other.longer_[k]);
  add_up(away_ns_, other.away_ns_);
  add_up(observed_ns_, other.observed_ns_);
  end_ns_ = std::max(end_ns_, other.end_ns_);
}

double LatencyDistribution::quantile(double q) const {
  if (observed_ns_ <= 0) return std::numeric_limits<double>::quiet_NaN();
  const double wanted = (1 - q) * static_cast<double>(observed_ns_);  // S(x) of the answer
  if (static_cast<double>(away_ns_) <= wanted) return 0;

  // The first bound whose excess is not above what is wanted; the answer lies before it.
  const auto after = std::find_if(excess_ns_.begin(), excess_ns_.end(),
                                  [&](int64_t excess) { return static_cast<double>(excess) <= wanted; });
  const auto k = static_cast<uint32_t>(after - excess_ns_.begin());
  const double low = k ? static_cast<double>(bound_ns(k - 1)) : 0;
  const double high = static_cast<double>(k < LOOPTAP_BUCKETS ? bound_ns(k) : end_ns_);
  const double at_low = static_cast<double>(k ? excess_ns_[k - 1] : away_ns_);
  const double at_high = static_cast<double>(excess_ns_[k]);
  if (k == 0 || longer_[k - 1] == 0)
    return (low + (high - low) * (at_low - wanted) / (at_low - at_high)) * kNanosecond;

  // Were the bucket's iterations equally long, S would fall from the one bound as steeply as they and the longer ones
  // make it, and then on to the other as the longer ones do. It is never below that.
  const double first = low + (at_low - wanted) / static_cast<double>(longer_[k - 1]);
  const double second = longer_[k] ? high - (wanted - at_high) / static_cast<double>(longer_[k]) : low;
  return std::clamp(std::max(first, second), low, high) * kNanosecond;
}

int64_t LatencyDistribution::weight_below(uint32_t k, uint64_t x_ns) const {
  const uint64_t low = bound_ns(k), high = bound_ns(k + 1);
  const auto weight = static_cast<uint64_t>(excess_ns(k) - excess_ns(k + 1));
  if (x_ns >= high) return as_signed(weight);
  return x_ns <= low ? 0 : as_signed(share(weight, x_ns - low, high - low));
}

LatencyHistogram LatencyDistribution::histogram(const Bounds& classic_bounds) const {
  LatencyHistogram histogram;
  constexpr uint32_t kFirst = LOOPTAP_FIRST_SUMMED;
  const auto zero_weight = static_cast<uint64_t>(observed_ns_ - excess_ns(kFirst));
  histogram.zero_count = zero_weight / kObservation_ns;

  // The mean latency times T is the area under S; one observation a millisecond makes that the sum.
  const auto end = static_cast<uint32_t>(excess_ns_.size() - 1);
  if (end > kFirst) histogram.counts.resize(end - kFirst);
  double x = static_cast<double>(bound_ns(kFirst)), excess = static_cast<double>(excess_ns(kFirst));
  double area = x * 0.5 * (static_cast<double>(away_ns_) + excess);
  for (uint32_t k = kFirst; k < end; k++) {
    histogram.counts[k - kFirst] = static_cast<uint64_t>(excess_ns_[k] - excess_ns_[k + 1]) / kObservation_ns;
    const double next_x = static_cast<double>(bound_ns(k + 1));
    const double next_excess = static_cast<double>(excess_ns_[k + 1]);
    area += (next_x - x) * 0.5 * (excess + next_excess);
    x = next_x;
    excess = next_excess;
  }
  histogram.sum_seconds = area / kObservation_ns * kNanosecond;

  for (const uint64_t x : classic_bounds) {
    uint64_t weight = 0;
    if (x <= bound_ns(kFirst)) {
      const auto idle = static_cast<uint64_t>(observed_ns_ - away_ns_);
      weight = idle + share(zero_weight - idle, x, bound_ns(kFirst));
    } else if (const uint32_t k = bucket_of_bound(x); k < LOOPTAP_BUCKETS) {
      weight = static_cast<uint64_t>(weight_below(k, x));
    }
    histogram.bound_counts.push_back(weight / kObservation_ns);
  }
  return histogram;
}

ClassicHistogram LatencyHistogram::classic(const Bounds& bounds) const {
  ClassicHistogram histogram;
  constexpr uint32_t kFirst = LOOPTAP_FIRST_SUMMED;
  const auto end = static_cast<uint32_t>(kFirst + counts.size());
  uint64_t below = zero_count;
  uint32_t k = kFirst;
  for (size_t i = 0; i < bounds.size(); i++) {
    const bool within_zero = bounds[i] <= bound_ns(kFirst);
    const uint32_t its_bucket = within_zero ? kFirst : bucket_of_bound(bounds[i]);
    for (; k < std::min(end, its_bucket); k++) below += counts[k - kFirst];
    histogram.cumulative.push_back(within_zero ? bound_counts[i] : below + bound_counts[i]);
  }
  for (; k < end; k++) below += counts[k - kFirst];
  histogram.cumulative.push_back(below);
  histogram.sum_seconds = sum_seconds;
  return histogram;
}

void LatencyHistogram::raise_to(const LatencyHistogram& shown) {
  zero_count = std::max(zero_count, shown.zero_count);
  sum_seconds = std::max(sum_seconds, shown.sum_seconds);
  counts.resize(std::max(counts.size(), shown.counts.size()));
  for (size_t i = 0; i < shown.counts.size(); i++) counts[i] = std::max(counts[i], shown.counts[i]);
  for (size_t i = 0; i < bound_counts.size(); i++)
    bound_counts[i] = std::max(bound_counts[i], shown.bound_counts[i]);
}

std::vector<double> latency_quantiles(const Observed& observed, const std::vector<double>& quantiles) {
  const auto away_ns = static_cast<double>(away_of(observed));
  const auto all_ns = static_cast<double>(observed_ns(observed));
  const double highest = quantiles.empty() ? 0 : *std::max_element(quantiles.begin(), quantiles.end());
  if (all_ns > 0 && away_ns <= (1 - highest) * all_ns) return std::vector<double>(quantiles.size());
  const LatencyDistribution latency(observed);
  std::vector<double> result;
  for (const double q : quantiles) result.push_back(latency.quantile(q));
  return result;
}

std::vector<double> duration_quantiles(const DurationHistogram& durations,
                                       const std::vector<double>& quantiles) {
  const double count = static_cast<double>(durations.count());
  if (count == 0) return std::vector<double>(quantiles.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<double> result;
  double below = static_cast<double>(durations.zero_count);
  auto bucket = durations.buckets.begin();
  for (const double q : quantiles) {
    const double rank = q * count;
    const double zero = static_cast<double>(durations.zero_count);
    if (zero >= rank && zero > 0) {
      result.push_back(rank / zero * static_cast<double>(bound_ns(0)) * kNanosecond);
      continue;
    }
    while (bucket != durations.buckets.end() && below + static_cast<double>(bucket->count) < rank)
      below += static_cast<double>((bucket++)->count);
    if (bucket == durations.buckets.end()) {
      result.push_back(static_cast<double>(bound_ns(durations.buckets.back().index + 1)) * kNanosecond);
      continue;
    }
    const double low = static_cast<double>(bound_ns(bucket->index));
    const double high = static_cast<double>(bound_ns(bucket->index + 1));
    result.push_back((low + (high - low) * (rank - below) / static_cast<double>(bucket->count)) *
                     kNanosecond);
  }
  return result;
}

ClassicHistogram duration_histogram(const DurationHistogram& durations, const Bounds& classic_bounds) {
  ClassicHistogram histogram;
  uint64_t below = 0;
  auto bucket = durations.buckets.begin();
  for (uint64_t x : classic_bounds) {
    if (x < bound_ns(0)) {
      histogram.cumulative.push_back(share(durations.zero_count, x, bound_ns(0)));
      continue;
    }
    for (; bucket != durations.buckets.end() && bound_ns(bucket->index + 1) <= x; ++bucket)
      below += bucket->count;
    uint64_t part = 0;
    if (bucket != durations.buckets.end() && bound_ns(bucket->index) < x) {
      const uint64_t low = bound_ns(bucket->index), high = bound_ns(bucket->index + 1);
      part = share(bucket->count, x - low, high - low);
    }
    histogram.cumulative.push_back(durations.zero_count + below + part);
  }
  histogram.cumulative.push_back(durations.count());
  histogram.sum_seconds = static_cast<double>(durations.total_ns) * kNanosecond;
  return histogram;
}

uint32_t nearest_bound(uint64_t duration_ns) {
  uint32_t k = 0;
  while (k < LOOPTAP_BUCKETS && bound_ns(k + 1) <= duration_ns) k++;
  if (k < LOOPTAP_BUCKETS && bound_ns(k + 1) - duration_ns < duration_ns - std::min(duration_ns, bound_ns(k)))
    k++;
  return k;
}

double bound_seconds(uint32_t k) { return std::exp2(k / 32.0 - 20); }

uint64_t count_longer(const DurationHistogram& durations, uint64_t open_ns, uint32_t k) {
  uint64_t count = open_ns > bound_ns(k) ? 1 : 0;
  for (auto bucket = durations.buckets.rbegin(); bucket != durations.buckets.rend() && bucket->index >= k;
       ++bucket)
    count += bucket->count;
  return count;
}

}  // namespace looptap
