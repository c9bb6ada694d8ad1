#include "exporter/metrics/monotonic_counters.h"

#include "preload/segment_layout.h"
#include "tests/unit/catch.h"

using namespace looptap;

namespace {

struct IntervalCounters {
  LatencyHistogram latency;
  LoopScalars scalars;

  uint64_t of(uint64_t LoopFigures::*figure) const {
    for (size_t i = 0; i < scalars.size(); i++)
      if (kLoopScalars[i].figure == figure) return scalars[i];
    return 0;
  }
};

IntervalCounters counters_of(uint64_t idle_ms, uint64_t open_ms) {
  Observed observed;
  observed.idle_ns = idle_ms * 1'000'000;
  observed.open_at_end_ns = open_ms * 1'000'000;
  LoopFigures figures;
  figures.busy_ns = open_ms * 1'000'000;
  figures.wait_ns = idle_ms * 1'000'000;
  figures.stalls = open_ms > 100;
  figures.blocked_ns = open_ms * 1'000'000;
  return {LatencyDistribution(observed).histogram({50'000'000}), loop_scalars(figures)};
}

}  // namespace

TEST_CASE("an interval that turns out shorter than it was shown does not take its counters back") {
  MonotonicCounters shown;
  IntervalCounters before = counters_of(1000, 120), after = counters_of(1000, 90);
  shown.clamp(1, before.latency, before.scalars);
  const auto shown_before = before.latency.classic({50'000'000}).cumulative;
  shown.clamp(1, after.latency, after.scalars);
  CHECK(after.latency.classic({50'000'000}).cumulative == shown_before);
  CHECK(after.of(&LoopFigures::busy_ns) == 120'000'000);
  CHECK(after.of(&LoopFigures::stalls) == 1);
  CHECK(after.of(&LoopFigures::blocked_ns) == 90'000'000);  // a gauge

  IntervalCounters later = counters_of(5000, 300);
  shown.clamp(1, later.latency, later.scalars);
  CHECK(later.of(&LoopFigures::busy_ns) == 300'000'000);
  CHECK(later.of(&LoopFigures::wait_ns) == 5'000'000'000);
}

TEST_CASE("what is not shown any more is forgotten, and other loops are other loops") {
  MonotonicCounters shown;
  IntervalCounters a = counters_of(1000, 120), b = counters_of(10, 10);
  shown.clamp(1, a.latency, a.scalars);
  shown.clamp(2, b.latency, b.scalars);
  CHECK(b.of(&LoopFigures::wait_ns) == 10'000'000);
  shown.evict_unused();
  shown.clamp(2, b.latency, b.scalars);
  shown.evict_unused();
  IntervalCounters again = counters_of(1, 1);
  shown.clamp(1, again.latency, again.scalars);
  CHECK(again.of(&LoopFigures::wait_ns) == 1'000'000);
}
