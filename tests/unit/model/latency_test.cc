// The latency mathematics against brute force on the raw durations.
#include "tests/unit/catch.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "exporter/model/histogram_bounds.h"
#include "exporter/model/latency.h"
#include "exporter/model/latency_window.h"

using namespace looptap;

namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kMargin_ns = kMs;  // by which open intervals are taken shorter (loop_sample.h)

const Bounds kBounds = {1 * kMs,   5 * kMs / 2, 5 * kMs,    10 * kMs,   25 * kMs,   50 * kMs,   100 * kMs,
                        250 * kMs, 500 * kMs,   1000 * kMs, 2500 * kMs, 5000 * kMs, 10000 * kMs};

void add(DurationHistogram& histogram, uint64_t ns) {
  histogram.total_ns += ns;
  const int32_t index = looptap_bucket(ns);
  if (index < 0) {
    histogram.zero_count++;
    return;
  }
  DurationHistogram one;
  one.buckets.push_back({static_cast<uint32_t>(index), 1, index >= LOOPTAP_FIRST_SUMMED ? ns : 0});
  histogram.add(one);
}

double brute_excess(const std::vector<uint64_t>& durations, double x) {
  double sum = 0;
  for (const uint64_t d : durations) sum += std::max(0.0, static_cast<double>(d) - x);
  return sum;
}

/// The latency that a share q does not exceed, by bisection on the definition.
double brute_quantile(const std::vector<uint64_t>& durations, double observed_ns, double q) {
  const double wanted = (1 - q) * observed_ns;
  if (brute_excess(durations, 0) <= wanted) return 0;
  double low = 0, high = 1e14;
  for (int i = 0; i < 200; i++) {
    const double middle = (low + high) / 2;
    (brute_excess(durations, middle) > wanted ? low : high) = middle;
  }
  return high;
}

double bucket_width_ns(double x_ns) {
  const int32_t bucket = looptap_bucket(static_cast<uint64_t>(x_ns));
  // Below 2^-10 s the latency has one bucket.
  if (bucket < LOOPTAP_FIRST_SUMMED) return static_cast<double>(bound_ns(LOOPTAP_FIRST_SUMMED));
  const auto k = static_cast<uint32_t>(bucket);
  return static_cast<double>(bound_ns(k + 1) - bound_ns(k)) + 1;
}

/// Durations of many shapes: tiny, usual, and now and then very long.
uint64_t random_duration(std::mt19937_64& random) {
  const double exponent = std::uniform_real_distribution<double>(2, 10.5)(random);
  return static_cast<uint64_t>(std::pow(10.0, random() % 20 ? exponent * 0.6 + 1 : exponent));
}

}  // namespace

TEST_CASE("S is exact at every bucket bound from 2^-10 s on") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20; round++) {
    Observed observed;
    std::vector<uint64_t> durations;
    for (int i = 0; i < 300; i++) {
      durations.push_back(random_duration(random));
      add(observed.iterations, durations.back());
    }
    observed.idle_ns = random() % 100'000'000'000;
    if (round % 2) {
      observed.open_at_end_ns = random_duration(random);
      durations.push_back(observed.open_at_end_ns);
    }
    const LatencyDistribution latency(observed);
    for (uint32_t k = LOOPTAP_FIRST_SUMMED; k < LOOPTAP_BUCKETS; k++) {
      int64_t exact = 0;
      for (const uint64_t d : durations) exact += d > bound_ns(k) ? static_cast<int64_t>(d - bound_ns(k)) : 0;
      REQUIRE(latency.excess_ns(k) == exact);
    }
  }
}

TEST_CASE("what lies below the lowest bound asked for changes nothing above it") {
  std::mt19937_64 random(3);
  Observed observed;
  for (int i = 0; i < 300; i++) add(observed.iterations, random_duration(random));
  observed.idle_ns = 5'000'000'000;
  const LatencyDistribution all(observed), upper(observed, LatencyDistribution::Use::kHistogram);
  for (uint32_t k = LOOPTAP_FIRST_SUMMED; k < LOOPTAP_BUCKETS; k++)
    REQUIRE(all.excess_ns(k) == upper.excess_ns(k));
  const auto expected = all.histogram(kBounds), found = upper.histogram(kBounds);
  CHECK(found.counts == expected.counts);
  CHECK(found.zero_count == expected.zero_count);
  CHECK(found.bound_counts == expected.bound_counts);
  CHECK(found.sum_seconds == expected.sum_seconds);
}

TEST_CASE("all quantiles at once are what each is by itself, also of a loop that is hardly ever away") {
  const std::vector<double> asked = {0.5, 0.95, 0.99};
  for (const uint64_t idle_ns :
       {0ull, 1'000'000'000ull, 9'999'999'999ull, 10'000'000'000ull, 1'000'000'000'000ull}) {
    Observed observed;
    observed.idle_ns = idle_ns;
    observed.open_at_end_ns = 100'000'000;
    const LatencyDistribution latency(observed);
    const std::vector<double> found = latency_quantiles(observed, asked);
    REQUIRE(found.size() == asked.size());
    for (size_t i = 0; i < asked.size(); i++) CHECK(found[i] == latency.quantile(asked[i]));
  }
  for (const double value : latency_quantiles(Observed(), asked)) CHECK(std::isnan(value));
}

TEST_CASE("quantiles are within one bucket's width of brute force") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; round++) {
    Observed observed;
    std::vector<uint64_t> durations;
    const int count = 1 + static_cast<int>(random() % 300);
    double away = 0;
    for (int i = 0; i < count; i++) {
      durations.push_back(random_duration(random));
      add(observed.iterations, durations.back());
      away += static_cast<double>(durations.back());
    }
    if (round % 3 == 0) {
      observed.open_at_end_ns = random_duration(random);
      durations.push_back(observed.open_at_end_ns);
      away += static_cast<double>(observed.open_at_end_ns);
    }
    observed.idle_ns = static_cast<uint64_t>(away * static_cast<double>(random() % 1000) / 100);
    const LatencyDistribution latency(observed);
    const double total = away + static_cast<double>(observed.idle_ns);
    for (const double q : {0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
      const double truth = brute_quantile(durations, total, q);
      const double said = latency.quantile(q) * 1e9;
      INFO("round " << round << " q " << q << " truth " << truth << " said " << said);
      REQUIRE(std::abs(said - truth) <= bucket_width_ns(truth));
    }
  }
}

TEST_CASE("quantiles are exact where no two iterations share a bucket, the longest's included") {
  std::vector<uint64_t> durations{30'123'457, 100'654'321, 101'000'000 + 5 * kMs, 412'345'678};
  for (const bool is_open : {false, true}) {
    Observed observed;
    for (size_t i = 0; i + is_open < durations.size(); i++) add(observed.iterations, durations[i]);
    observed.open_at_end_ns = is_open ? durations.back() : 0;
    observed.idle_ns = 5'000 * kMs;
    const LatencyDistribution latency(observed);
    double total = static_cast<double>(observed.idle_ns);
    for (const uint64_t d : durations) total += static_cast<double>(d);
    for (const double q : {0.9, 0.93, 0.95, 0.97, 0.99, 0.999, 1.0})
      REQUIRE(latency.quantile(q) * 1e9 == Approx(brute_quantile(durations, total, q)).epsilon(1e-6));
  }
}

TEST_CASE(
    "a loop of 30,000 short iterations and one of 500 ms has latencies in the hundreds of milliseconds") {
  Observed observed;
  for (int i = 0; i < 30'000; i++) add(observed.iterations, 20'000);
  add(observed.iterations, 500 * kMs);
  observed.idle_ns = 400 * kMs;
  const LatencyDistribution latency(observed);
  CHECK(duration_quantiles(observed.iterations, {0.99})[0] < 50e-6);
  CHECK(latency.quantile(0.95) == Approx(0.425).epsilon(0.02));   // S(0.425) = 75 ms of T = 1.5 s
  CHECK(latency.quantile(0.5) == Approx(11.7e-6).epsilon(0.02));  // S(0) = 1.1 s, S(20 us) = 0.5 s
  CHECK(latency.quantile(0.25) == 0.0);
}

TEST_CASE("the loops of a process together are what one loop with all their iterations would be") {
  std::mt19937_64 random(4);
  Observed both, parts[2];
  for (int i = 0; i < 500; i++) {
    const uint64_t duration = random_duration(random);
    add(both.iterations, duration);
    add(parts[i % 2].iterations, duration);
  }
  parts[0].idle_ns = 3'000'000'000;
  parts[1].idle_ns = 500'000'000;
  both.idle_ns = 3'500'000'000;
  LatencyDistribution merged(parts[0]);
  merged.add(LatencyDistribution(parts[1]));
  const LatencyDistribution one(both);
  CHECK(merged.observed_ns() == one.observed_ns());
  for (uint32_t k = LOOPTAP_FIRST_SUMMED; k <= LOOPTAP_BUCKETS; k++)
    REQUIRE(merged.excess_ns(k) == one.excess_ns(k));
  CHECK(merged.quantile(0.99) == Approx(one.quantile(0.99)));
}

TEST_CASE("nothing observed is not a number, always idle is zero") {
  CHECK(std::isnan(LatencyDistribution(Observed{}).quantile(0.5)));
  CHECK(std::isnan(duration_quantiles(DurationHistogram{}, {0.5})[0]));
  Observed idle;
  idle.idle_ns = 5000 * kMs;
  const LatencyDistribution latency(idle);
  CHECK(latency.quantile(1.0) == 0.0);
  CHECK(latency.histogram(kBounds).zero_count == 5000);
  CHECK(latency.histogram(kBounds).classic(kBounds).cumulative.front() == 5000);
  CHECK(latency.histogram(kBounds).sum_seconds == 0.0);
}

TEST_CASE("beyond the last bucket") {
  Observed observed;
  const uint64_t day_ns = 86'400ull * 1'000'000'000;
  add(observed.iterations, day_ns);
  CHECK(LatencyDistribution(observed).quantile(1.0) == Approx(86'400).epsilon(0.05));
  CHECK(LatencyDistribution(observed).histogram(kBounds).classic(kBounds).cumulative.back() ==
        Approx(86'400'000).epsilon(0.001));
  Observed open;
  open.open_at_end_ns = day_ns;
  CHECK(LatencyDistribution(open).quantile(1.0) == Approx(86'400).epsilon(0.05));
}

TEST_CASE("the classic buckets grow with le and end in the sum of the native ones") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; round++) {
    Observed observed;
    for (int i = 0; i < 100; i++) add(observed.iterations, random_duration(random));
    observed.idle_ns = random() % 10'000'000'000;
    observed.open_at_end_ns = random() % 2 ? random_duration(random) : 0;
    const Bounds bounds = round % 2 ? kBounds : Bounds{10'000, 100'000, 976'562, 2 * kMs, 100'000'000 * kMs};
    const LatencyHistogram histogram = LatencyDistribution(observed).histogram(bounds);
    const std::vector<uint64_t> cumulative = histogram.classic(bounds).cumulative;
    REQUIRE(std::is_sorted(cumulative.begin(), cumulative.end()));
    uint64_t native = histogram.zero_count;
    for (const uint64_t count : histogram.counts) native += count;
    REQUIRE(cumulative.back() == native);
  }
}

namespace {

/// A loop whose life is simulated: iterations and waits of random lengths, looked at at random instants.
class SimulatedLoop {
 public:
  explicit SimulatedLoop(uint64_t seed) : random_(seed) { next_activity(); }

  void run_until(uint64_t now_ns) {
    while (ends_ns_ <= now_ns) {
      const uint64_t length = ends_ns_ - sample_.activity_since_ns;
      if (sample_.activity == Activity::kAway)
        add(sample_.iterations, length);
      else if (sample_.activity == Activity::kWaiting)
        sample_.wait_ns += length;
      else
        sample_.poll_ns += length;
      sample_.activity_since_ns = ends_ns_;
      next_activity();
    }
    sample_.taken_ns = now_ns;
  }
  const LoopSample& sample() const { return sample_; }

 private:
  void next_activity() {
    away_ = !away_;
    sample_.activity = away_ ? Activity::kAway : random_() % 2 ? Activity::kWaiting : Activity::kPolling;
    ends_ns_ = sample_.activity_since_ns + 1 + random_duration(random_) / 4;
  }
  std::mt19937_64 random_;
  bool away_ = false;
  uint64_t ends_ns_ = 0;
  LoopSample sample_;
};

Observed lifetime(const LoopSample& sample) {
  const TimeTotals totals = time_totals(sample);
  return {sample.iterations, totals.wait_ns + totals.poll_ns, totals.open_iteration_ns, 0};
}

}  // namespace

TEST_CASE("no bucket ever decreases, also when an open iteration closes (30,000 scrapes)") {
  for (uint64_t seed = 1; seed <= 10; seed++) {
    SimulatedLoop loop(seed);
    std::mt19937_64 random(seed + 100);
    LatencyHistogram last;
    TimeTotals last_reckoning;
    uint64_t now = 0, last_stalls = 0;
    for (int scrape = 0; scrape < 3000; scrape++) {
      now += random_duration(random) / 2;
      loop.run_until(now);
      const LatencyHistogram histogram = LatencyDistribution(lifetime(loop.sample())).histogram(kBounds);
      const TimeTotals totals = time_totals(loop.sample());
      const uint64_t stalls = count_longer(loop.sample().iterations, totals.open_iteration_ns, 532);
      INFO("seed " << seed << " scrape " << scrape);
      if (scrape) {
        REQUIRE(histogram.zero_count >= last.zero_count);
        REQUIRE(histogram.counts.size() >= last.counts.size());
        for (size_t i = 0; i < last.counts.size(); i++)
          if (histogram.counts[i] < last.counts[i]) REQUIRE(histogram.counts[i] >= last.counts[i]);
        const auto classic = histogram.classic(kBounds), last_classic = last.classic(kBounds);
        for (size_t i = 0; i < classic.cumulative.size(); i++)
          REQUIRE(classic.cumulative[i] >= last_classic.cumulative[i]);
        REQUIRE(histogram.sum_seconds >= last.sum_seconds);
        REQUIRE(totals.busy_ns() >= last_reckoning.busy_ns());
        REQUIRE(totals.wait_ns >= last_reckoning.wait_ns);
        REQUIRE(stalls >= last_stalls);
      }
      last = histogram;
      last_reckoning = totals;
      last_stalls = stalls;
    }
  }
}

TEST_CASE("the window shows what came since its start, whoever looks") {
  SimulatedLoop loop(42);
  LatencyWindow window(loop.sample());
  std::vector<LoopSample> ticks;
  const uint64_t tick_ns = 5000 * kMs;
  for (uint64_t i = 1; i <= 40; i++) {
    loop.run_until(i * tick_ns);
    ticks.push_back(loop.sample());
    window.tick(loop.sample());
    loop.run_until(i * tick_ns + 1234 * kMs);
    const Observed said = window.observed(loop.sample());
    CHECK(window.observed(loop.sample()).idle_ns == said.idle_ns);  // looking changes nothing
    if (i <= LatencyWindow::kTicks) continue;
    const LoopSample& start = ticks[i - 1 - LatencyWindow::kTicks];
    const TimeTotals then = time_totals(start), now = time_totals(loop.sample());
    CHECK(said.iterations.count() == loop.sample().iterations.count() - start.iterations.count());
    CHECK(said.iterations.total_ns == loop.sample().iterations.total_ns - start.iterations.total_ns);
    CHECK(said.idle_ns == now.wait_ns + now.poll_ns - then.wait_ns - then.poll_ns);
    CHECK(said.open_at_start_ns == then.open_iteration_ns);
    // T of the window is the time that has passed, but for the margin on open intervals.
    const int64_t observed = LatencyDistribution(said).observed_ns();
    const auto passed = static_cast<int64_t>(loop.sample().taken_ns - start.taken_ns);
    CHECK(std::abs(observed - passed) <= static_cast<int64_t>(kMargin_ns));
  }
}

TEST_CASE("a loop that is frozen for longer than the window") {
  LoopSample sample;
  sample.activity = Activity::kAway;
  sample.activity_since_ns = 1;
  LatencyWindow window;
  for (int i = 1; i <= 20; i++) {
    sample.taken_ns = static_cast<uint64_t>(i) * 5000 * kMs;
    window.tick(sample);
  }
  const Observed said = window.observed(sample);  // 40 s to 100 s of the iteration
  const LatencyDistribution latency(said);
  CHECK(latency.observed_ns() == 60'000 * static_cast<int64_t>(kMs));
  CHECK(latency.quantile(0.5) == Approx(70).epsilon(0.03));
  CHECK(latency.quantile(0.99) == Approx(99.4).epsilon(0.03));
}

TEST_CASE("quantiles and buckets of the iterations themselves") {
  DurationHistogram durations;
  for (uint64_t i = 1; i <= 1000; i++) add(durations, i * kMs);
  for (const double q : {0.01, 0.5, 0.95, 0.99})
    CHECK(duration_quantiles(durations, {q})[0] == Approx(q).epsilon(0.025));
  const std::vector<double> together = duration_quantiles(durations, {0, 0.01, 0.5, 0.5, 0.99, 1});
  const double one_by_one[] = {0, 0.01, 0.5, 0.5, 0.99, 1};
  for (size_t i = 0; i < together.size(); i++)
    CHECK(together[i] == duration_quantiles(durations, {one_by_one[i]})[0]);
  const ClassicHistogram histogram = duration_histogram(durations, {500, 10 * kMs, 100 * kMs, 10'000 * kMs});
  CHECK(histogram.cumulative[0] == 0);
  CHECK(histogram.cumulative[1] == Approx(10).margin(1));
  CHECK(histogram.cumulative[2] == Approx(100).margin(3));
  CHECK(histogram.cumulative[3] == 1000);
  CHECK(histogram.cumulative[4] == 1000);
  CHECK(histogram.sum_seconds == Approx(500.5));
}

TEST_CASE("a threshold goes to the nearest bound, a stall is longer than it") {
  const uint32_t k = nearest_bound(100 * kMs);
  CHECK(std::abs(bound_seconds(k) - 0.1) <= std::abs(bound_seconds(k + 1) - 0.1));
  CHECK(std::abs(bound_seconds(k) - 0.1) <= std::abs(bound_seconds(k - 1) - 0.1));
  for (uint32_t i = 0; i <= LOOPTAP_BUCKETS; i++) CHECK(nearest_bound(bound_ns(i)) == i);
  CHECK(nearest_bound(0) == 0);
  CHECK(nearest_bound(UINT64_MAX) == LOOPTAP_BUCKETS);
  DurationHistogram durations;
  add(durations, bound_ns(k));
  CHECK(count_longer(durations, 0, k) == 0);
  add(durations, bound_ns(k) + 1);
  CHECK(count_longer(durations, 0, k) == 1);
  CHECK(count_longer(durations, bound_ns(k), k) == 1);
  CHECK(count_longer(durations, bound_ns(k) + 1, k) == 2);
}

TEST_CASE("blocked: the open iteration, or a wait far past its deadline") {
  LoopSample sample;
  sample.taken_ns = 10'000 * kMs;
  sample.activity_since_ns = 9'000 * kMs;
  sample.activity = Activity::kAway;
  CHECK(blocked_ns(sample) == 1000 * kMs);
  sample.activity = Activity::kWaiting;
  CHECK(blocked_ns(sample) == 0);
  sample.deadline_ns = 9'950 * kMs;
  CHECK(blocked_ns(sample) == 0);  // within the grace
  sample.deadline_ns = 9'500 * kMs;
  CHECK(blocked_ns(sample) == 500 * kMs);
  sample.activity = Activity::kDormant;
  CHECK(blocked_ns(sample) == 0);
}
