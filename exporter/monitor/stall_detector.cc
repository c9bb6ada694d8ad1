#include "exporter/monitor/stall_detector.h"

#include <algorithm>

#include "exporter/model/histogram_bounds.h"

namespace looptap {

StallDetector::StallDetector(const LoopSample& first, uint32_t stall_bound)
    : stall_bound_(stall_bound), closed_(closed_stalls(first)) {}

DurationHistogram StallDetector::closed_stalls(const LoopSample& sample) const {
  const auto& all = sample.iterations.buckets;
  const auto from = std::find_if(all.begin(), all.end(), [&](const DurationHistogram::Bucket& bucket) {
    return bucket.index >= stall_bound_;
  });
  return {{from, all.end()}, 0, 0};
}

void StallDetector::update(const LoopSample& sample, const LoopFigures& figures, const Report& report) {
  const bool is_blocked = figures.blocked_ns >= std::max<uint64_t>(bound_ns(stall_bound_), 1);
  const bool is_the_same = is_blocked && began_ns_ && since_ns_ == sample.activity_since_ns;
  DurationHistogram closed = closed_stalls(sample);
  DurationHistogram ended = closed.since(closed_);
  closed_ = std::move(closed);

  if (began_ns_ && !is_the_same) {
    // Of those that have closed since, it is the longest one if it is an iteration; a late wait is in no bucket.
    uint64_t duration_ns = last_seen_ns_;
    if (!ended.buckets.empty()) {
      auto& longest = ended.buckets.back();
      const uint64_t mean_ns = longest.sum_ns ? longest.sum_ns / longest.count : bound_ns(longest.index + 1);
      if (bound_ns(longest.index + 1) >= last_seen_ns_) {
        duration_ns = std::max(duration_ns, mean_ns);
        longest.sum_ns -= std::min(longest.sum_ns, mean_ns);
        if (!--longest.count) ended.buckets.pop_back();
      }
    }
    report({StallEventKind::kEnd, began_ns_, duration_ns, 1});
    began_ns_ = 0;
  }
  for (const auto& bucket : ended.buckets) {
    const uint64_t mean_ns = bucket.sum_ns ? bucket.sum_ns / bucket.count : bound_ns(bucket.index + 1);
    report({StallEventKind::kBegin, 0, mean_ns, bucket.count});
    report({StallEventKind::kEnd, 0, mean_ns, bucket.count});
  }
  if (!is_blocked) return;
  if (!is_the_same) {
    began_ns_ = std::max<uint64_t>(sample.taken_ns - std::min(sample.taken_ns, figures.blocked_ns), 1);
    since_ns_ = sample.activity_since_ns;
  }
  last_seen_ns_ = figures.blocked_ns;
  report({is_the_same ? StallEventKind::kStill : StallEventKind::kBegin, began_ns_, figures.blocked_ns, 1});
}

}  // namespace looptap
