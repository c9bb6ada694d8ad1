// A loop's last ten minutes: what each column holds, and that there are never more of them.
#include "tests/unit/catch.h"

#include <cmath>

#include "exporter/model/histogram_bounds.h"
#include "exporter/model/loop_history.h"

using namespace looptap;

namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecond = 1000 * kMs;

/// A loop that waits, except for the iterations that it is told of.
struct Loop {
  LoopSample sample;
  Loop() { sample.activity = Activity::kWaiting; }

  void wait(uint64_t ns) {
    sample.wait_ns += ns;
    advance(ns);
  }
  void iterate(uint64_t ns, uint64_t times = 1) {
    DurationHistogram more;
    more.total_ns = ns * times;
    const int32_t index = looptap_bucket(ns);
    if (index < 0)
      more.zero_count = times;
    else
      more.buckets.push_back(
          {static_cast<uint32_t>(index), times, index >= LOOPTAP_FIRST_SUMMED ? ns * times : 0});
    sample.iterations.total_ns += more.total_ns;
    sample.iterations.add({more.buckets, more.zero_count, 0});
    advance(ns * times);
  }
  /// Goes away and stays there.
  void go_away(uint64_t ns) {
    sample.activity = Activity::kAway;
    sample.activity_since_ns = sample.taken_ns;
    sample.taken_ns += ns;
  }

 private:
  void advance(uint64_t ns) { sample.activity_since_ns = sample.taken_ns += ns; }
};

uint64_t count_in(const HistoryColumn& column, unsigned index) {
  return HistoryColumn::count_of(column.log_counts[index]);
}

}  // namespace

TEST_CASE("history: a logarithmic count is near the count, and exact for 0 and 1") {
  CHECK(HistoryColumn::count_of(HistoryColumn::log_count(0)) == 0);
  CHECK(HistoryColumn::count_of(HistoryColumn::log_count(1)) == 1);
  for (uint64_t count = 2; count < (1ull << 31); count = count * 3 / 2) {
    const auto back = static_cast<double>(HistoryColumn::count_of(HistoryColumn::log_count(count)));
    CHECK(std::abs(back - static_cast<double>(count)) <= 0.05 * static_cast<double>(count) + 0.5);
  }
  CHECK(HistoryColumn::log_count(UINT64_MAX) == 255);
}

TEST_CASE("history: iterations are counted by octave, bounds inclusive") {
  Loop loop;
  LoopHistory history(loop.sample);
  const uint64_t first_bound = bound_ns(4 * 32);  // 2^-16 s
  loop.iterate(500, 10);                          // below the histogram
  loop.iterate(first_bound, 2);
  loop.iterate(first_bound + 1, 3);
  loop.iterate(bound_ns(20 * 32), 4);  // 1 s
  loop.iterate(100 * kSecond);
  loop.iterate(bound_ns(31 * 32));      // 2048 s, the last bound
  loop.iterate(bound_ns(31 * 32) + 1);  // beyond it
  loop.iterate(bound_ns(32 * 32) + 1);  // beyond the histogram
  history.tick(loop.sample, 5);
  const HistoryColumn column = history.columns().at(0);
  CHECK(count_in(column, 0) == 12);
  CHECK(count_in(column, 1) == 3);
  CHECK(count_in(column, 16) == 4);
  CHECK(count_in(column, 23) == 1);
  CHECK(count_in(column, HistoryColumn::kClasses - 2) == 1);
  CHECK(count_in(column, HistoryColumn::kClasses - 1) == 2);
  CHECK(column.ended_unix_s == 5);
}

TEST_CASE("history: a column holds its own span only") {
  Loop loop;
  loop.iterate(700 * kMs);
  LoopHistory history(loop.sample);
  loop.wait(4500 * kMs);
  loop.iterate(500 * kMs);
  history.tick(loop.sample, 5);
  loop.wait(5 * kSecond);
  history.tick(loop.sample, 10);

  const auto columns = history.columns();
  REQUIRE(columns.size() == 2);
  CHECK(columns[0].busy_seconds == Approx(0.5));
  CHECK(columns[0].observed_seconds == Approx(5));
  // One arrival in ten meets the iteration; one in a hundred comes in its first tenth.
  CHECK(columns[0].p50_seconds == 0);
  CHECK(columns[0].p95_seconds == Approx(0.25).epsilon(0.03));
  CHECK(columns[0].p99_seconds == Approx(0.45).epsilon(0.03));
  CHECK(columns[1].busy_seconds == 0);
  CHECK(columns[1].p99_seconds == 0);
  CHECK(history.utilization(loop.sample) == Approx(0.05));
}

TEST_CASE("history: nothing of the past is left out of a loop without one") {
  Loop loop;
  loop.wait(3 * kSecond);
  loop.iterate(kSecond);
  LoopHistory history{LoopSample()};
  history.tick(loop.sample, 5);
  CHECK(history.columns().at(0).observed_seconds == Approx(4));
}

TEST_CASE("history: a frozen loop shows while it is") {
  Loop loop;
  LoopHistory history(loop.sample);
  loop.wait(2 * kSecond);
  loop.go_away(3 * kSecond);
  history.tick(loop.sample, 5);
  loop.sample.taken_ns += 5 * kSecond;
  history.tick(loop.sample, 10);

  const auto columns = history.columns();
  CHECK(columns[0].blocked_seconds == Approx(3));
  CHECK(columns[0].p99_seconds == Approx(2.95).epsilon(0.03));
  CHECK(columns[1].blocked_seconds == Approx(8));
  // Whoever arrived in the second span has waited for at least what is left of it.
  CHECK(columns[1].p50_seconds > 2);
  CHECK(columns[1].busy_seconds == Approx(5));
}

TEST_CASE("history: a loop that waits is not blocked") {
  Loop loop;
  LoopHistory history(loop.sample);
  loop.wait(5 * kSecond);
  history.tick(loop.sample, 5);
  CHECK(history.columns().at(0).blocked_seconds == 0);
}

TEST_CASE("history: where no time passes nothing is known") {
  Loop loop;
  loop.go_away(3 * kSecond);
  LoopHistory history(loop.sample);
  history.tick(loop.sample, 5);  // its process is dead: the sample stands
  const HistoryColumn column = history.columns().at(0);
  CHECK(std::isnan(column.p99_seconds));
  CHECK(column.blocked_seconds == 0);
  CHECK(std::isnan(history.utilization(loop.sample)));
}

TEST_CASE("history: it holds ten minutes and no more") {
  Loop loop;
  LoopHistory history(loop.sample);
  for (uint32_t i = 1; i <= 1000; i++) {
    loop.wait(5 * kSecond);
    history.tick(loop.sample, 5 * i);
  }
  const auto columns = history.columns();
  REQUIRE(columns.size() == LoopHistory::kColumns);
  CHECK(columns.front().ended_unix_s == 5 * 881);
  CHECK(columns.back().ended_unix_s == 5000);
}

TEST_CASE("history: utilization is that of the last minute") {
  Loop loop;
  LoopHistory history(loop.sample);
  for (uint32_t i = 1; i <= 12; i++) {
    loop.iterate(5 * kSecond);
    history.tick(loop.sample, 5 * i);
  }
  CHECK(history.utilization(loop.sample) == Approx(1));
  for (uint32_t i = 13; i <= 24; i++) {
    loop.wait(5 * kSecond);
    history.tick(loop.sample, 5 * i);
  }
  CHECK(history.utilization(loop.sample) == 0);
}

TEST_CASE("history: a column is small") { CHECK(sizeof(HistoryColumn) <= 60); }
