// Which StallEvents come of what a loop shows from poll to poll.
#include "exporter/monitor/stall_detector.h"

#include <string>
#include <vector>

#include "exporter/model/histogram_bounds.h"
#include "tests/unit/catch.h"

using namespace looptap;

namespace {

constexpr uint64_t kMs = 1'000'000;
const uint32_t kBound = nearest_bound(100 * kMs);

/// A loop, told step by step what it did.
class Loop {
 public:
  Loop() {
    sample_.activity = Activity::kWaiting;
    sample_.taken_ns = sample_.activity_since_ns = 1000 * kMs;
  }
  const LoopSample& sample() const { return sample_; }

  void go_away_for(uint64_t ns) {
    sample_.activity = Activity::kAway;
    sample_.activity_since_ns = sample_.taken_ns;
    sample_.taken_ns += ns;
  }
  void last(uint64_t ns) { sample_.taken_ns += ns; }
  void come_back() {
    close(sample_.taken_ns - sample_.activity_since_ns);
    sample_.activity = Activity::kWaiting;
    sample_.activity_since_ns = sample_.taken_ns;
  }
  /// An iteration that nobody saw open.
  void iterate(uint64_t ns, uint64_t times = 1) {
    for (uint64_t i = 0; i < times; i++) close(ns);
    sample_.taken_ns += ns * times;
    sample_.activity_since_ns = sample_.taken_ns;
  }

 private:
  void close(uint64_t ns) {
    const auto index = static_cast<uint32_t>(looptap_bucket(ns));
    sample_.iterations.add({{{index, 1, ns}}, 0, ns});
  }
  LoopSample sample_;
};

/// What is reported: kind, duration in ms, and how many if more than one.
class Reports {
 public:
  explicit Reports(const Loop& loop) : detector_(loop.sample(), kBound) {}

  std::vector<std::string> update(const Loop& loop, bool alive = true) {
    std::vector<std::string> reports;
    LoopContext context;
    context.alive = alive;
    const FigureSettings settings{kBound, {}};
    detector_.update(loop.sample(), loop_figures(loop.sample(), {}, context, settings),
                     [&](const StallChange& change) {
                       const char* kind = change.kind == StallEventKind::kBegin   ? "begin "
                                          : change.kind == StallEventKind::kStill ? "still "
                                                                                  : "end ";
                       reports.push_back(kind + std::to_string(change.duration_ns / kMs) +
                                         (change.count > 1 ? " x" + std::to_string(change.count) : ""));
                     });
    return reports;
  }

 private:
  StallDetector detector_;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("stalls: one that is seen begins, lasts and ends once") {
  Loop loop;
  Reports reports(loop);
  CHECK(reports.update(loop).empty());
  loop.go_away_for(50 * kMs);
  CHECK(reports.update(loop).empty());  // not yet
  loop.last(100 * kMs);
  CHECK(reports.update(loop) == Texts{"begin 150"});
  loop.last(100 * kMs);
  CHECK(reports.update(loop) == Texts{"still 250"});
  loop.last(50 * kMs);
  loop.come_back();
  CHECK(reports.update(loop) == Texts{"end 300"});
  CHECK(reports.update(loop).empty());
}

TEST_CASE("stalls: those that were over before anybody looked are told too, and short iterations are not") {
  Loop loop;
  Reports reports(loop);
  loop.iterate(200 * kMs, 3);
  loop.iterate(50 * kMs, 3);
  CHECK(reports.update(loop) == Texts{"begin 200 x3", "end 200 x3"});
  CHECK(reports.update(loop).empty());
}

TEST_CASE("stalls: what ended before the first update is not told") {
  Loop loop;
  loop.iterate(200 * kMs);
  Reports reports(loop);
  CHECK(reports.update(loop).empty());
}

TEST_CASE("stalls: one after the other are two") {
  Loop loop;
  Reports reports(loop);
  loop.go_away_for(150 * kMs);
  CHECK(reports.update(loop) == Texts{"begin 150"});
  loop.last(50 * kMs);
  loop.come_back();
  loop.go_away_for(120 * kMs);
  CHECK(reports.update(loop) == Texts{"end 200", "begin 120"});
}

TEST_CASE("stalls: other stalls that ended meanwhile are not taken for the one that was seen") {
  Loop loop;
  Reports reports(loop);
  loop.go_away_for(1000 * kMs);
  CHECK(reports.update(loop) == Texts{"begin 1000"});
  loop.come_back();
  loop.iterate(200 * kMs);
  CHECK(reports.update(loop) == Texts{"end 1000", "begin 200", "end 200"});
}

TEST_CASE("stalls: death ends one") {
  Loop loop;
  Reports reports(loop);
  loop.go_away_for(150 * kMs);
  CHECK(reports.update(loop) == Texts{"begin 150"});
  CHECK(reports.update(loop, false) == Texts{"end 150"});
  CHECK(reports.update(loop, false).empty());
}
