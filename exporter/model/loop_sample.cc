#include "exporter/model/loop_sample.h"

#include <algorithm>

#include "preload/segment_layout.h"

namespace looptap {

namespace {

constexpr uint64_t kDeadlineGrace_ns = 100'000'000;
constexpr uint64_t kStuckGrace_ns = 100'000'000;  // counting takes some 20 ns

}  // namespace

uint64_t DurationHistogram::count() const {
  uint64_t count = zero_count;
  for (const Bucket& bucket : buckets) count = sum_of(count, bucket.count);
  return count;
}

void DurationHistogram::set_buckets(const uint64_t* counts, const uint64_t* sums_ns) {
  constexpr uint32_t kAtOnce = 4;  // most are empty
  static_assert(LOOPTAP_BUCKETS % kAtOnce == 0);
  buckets.clear();
  for (uint32_t first = 0; first < LOOPTAP_BUCKETS; first += kAtOnce) {
    if (!(counts[first] | counts[first + 1] | counts[first + 2] | counts[first + 3])) continue;
    for (uint32_t i = first; i < first + kAtOnce; i++)
      if (counts[i])
        buckets.push_back(
            {i, counts[i], sums_ns && i >= LOOPTAP_FIRST_SUMMED ? sums_ns[i - LOOPTAP_FIRST_SUMMED] : 0});
  }
}

DurationHistogram DurationHistogram::since(const DurationHistogram& earlier) const {
  DurationHistogram change;
  change.zero_count = minus_or_zero(zero_count, earlier.zero_count);
  change.total_ns = minus_or_zero(total_ns, earlier.total_ns);
  change.buckets.resize(buckets.size());
  auto to = change.buckets.begin();
  auto before = earlier.buckets.begin();
  for (const Bucket& bucket : buckets) {
    while (before != earlier.buckets.end() && before->index < bucket.index) ++before;
    Bucket moved = bucket;
    if (before != earlier.buckets.end() && before->index == bucket.index) {
      moved.count = minus_or_zero(bucket.count, before->count);
      moved.sum_ns = minus_or_zero(bucket.sum_ns, before->sum_ns);
    }
    if (moved.count) *to++ = moved;
  }
  change.buckets.erase(to, change.buckets.end());
  return change;
}

void DurationHistogram::add(const DurationHistogram& other) {
  zero_count = sum_of(zero_count, other.zero_count);
  total_ns = sum_of(total_ns, other.total_ns);
  std::vector<Bucket> merged;
  merged.reserve(buckets.size() + other.buckets.size());
  auto mine = buckets.begin();
  for (const Bucket& theirs : other.buckets) {
    while (mine != buckets.end() && mine->index < theirs.index) merged.push_back(*mine++);
    merged.push_back(theirs);
    if (mine != buckets.end() && mine->index == theirs.index) {
      merged.back().count = sum_of(merged.back().count, mine->count);
      merged.back().sum_ns = sum_of(merged.back().sum_ns, mine->sum_ns);
      ++mine;
    }
  }
  merged.insert(merged.end(), mine, buckets.end());
  buckets = std::move(merged);
}

TimeTotals time_totals(const LoopSample& sample) {
  TimeTotals totals;
  totals.wait_ns = sample.wait_ns;
  totals.poll_ns = sample.poll_ns;
  totals.closed_iterations_ns = sample.iterations.total_ns;
  const uint64_t open_ns =
      minus_or_zero(sample.taken_ns, sum_of(sample.activity_since_ns, kClockAgreement_ns));
  switch (sample.activity) {
    case Activity::kDormant:
      break;
    case Activity::kWaiting:
      totals.wait_ns = sum_of(totals.wait_ns, open_ns);
      break;
    case Activity::kPolling:
      totals.poll_ns = sum_of(totals.poll_ns, open_ns);
      break;
    case Activity::kAway:
      // A nested loop may already have been left for the outer one; its interval counts once it is closed.
      if (!sample.nested) totals.open_iteration_ns = open_ns;
      break;
  }
  return totals;
}

uint64_t blocked_ns(const LoopSample& sample) {
  if (sample.stuck_for_ns > kStuckGrace_ns) return sample.stuck_for_ns;
  switch (sample.activity) {
    case Activity::kAway:
      return minus_or_zero(sample.taken_ns, sample.activity_since_ns);
    case Activity::kWaiting:
    case Activity::kPolling: {
      if (sample.deadline_ns == UINT64_MAX) return 0;
      const uint64_t late_ns = minus_or_zero(sample.taken_ns, sample.deadline_ns);
      return late_ns > kDeadlineGrace_ns ? late_ns : 0;
    }
    case Activity::kDormant:
      break;
  }
  return 0;
}

}  // namespace looptap
