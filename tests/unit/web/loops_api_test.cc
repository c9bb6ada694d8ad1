// The JSON of the loops: read back by the library, and hostile names in it.
#include "tests/unit/catch.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "exporter/base/label_text.h"
#include "exporter/web/loops_api.h"

using namespace looptap;
using nlohmann::json;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;
const FigureSettings kFigures = {nearest_bound(kSecond / 10), {0.5}};

/// What a LoopSnapshot is made of.
struct ShownLoop {
  ProcessSnapshot process;
  LoopSample sample;
  LoopContext context;
  Observed window;

  LoopSnapshot snapshot() const {
    LoopContext with_history = context;
    with_history.alive = process.alive;
    with_history.utilization = LoopHistory().utilization(sample);
    return {12, sample, window, loop_figures(sample, window, with_history, kFigures)};
  }
};

Snapshot empty_snapshot() {
  Snapshot snapshot;
  snapshot.window_ns = 60 * kSecond;
  snapshot.stall_bound = kFigures.stall_bound;
  return snapshot;
}

ShownLoop waiting_loop() {
  ShownLoop loop;
  loop.process.name = "api";
  loop.process.pid = "1@4026531836";
  loop.process.alive = true;
  loop.sample.thread_name = "main";
  loop.sample.activity = Activity::kWaiting;
  loop.sample.waits = 5;
  loop.sample.events = 9;
  loop.sample.wait_ns = 30 * kSecond;
  loop.window.idle_ns = 30 * kSecond;
  loop.sample.poll_ns = 10 * kSecond;
  return loop;
}

std::string document_of(const ShownLoop& loop) {
  Snapshot snapshot = empty_snapshot();
  snapshot.shown = {{"segments", 1, 0}};
  snapshot.processes.push_back(loop.process);
  snapshot.processes[0].loops.push_back(loop.snapshot());
  return loops_json(snapshot);
}

json only_loop(const ShownLoop& loop) { return json::parse(document_of(loop)).at("loops").at(0); }

}  // namespace

TEST_CASE("loops as JSON: nothing to show") {
  const json all = json::parse(loops_json(empty_snapshot()));
  CHECK(all.at("loops").empty());
  CHECK(all.at("loops").is_array());
  CHECK(all.at("window_seconds") == 60);
  CHECK(all.at("processes").at("live") == 0);
}

TEST_CASE("loops as JSON: labels and figures") {
  const json loop = only_loop(waiting_loop());
  CHECK(loop.at("id") == 12);
  CHECK(loop.at("process") == "api");
  CHECK(loop.at("pid") == "1@4026531836");
  CHECK(loop.at("loop") == "0");
  CHECK(loop.at("thread") == "main");
  CHECK(loop.at("alive") == true);
  CHECK(loop.at("state") == "waiting");
  CHECK(loop.at("frozen") == false);
  CHECK(loop.at("blocked_seconds") == 0);
  CHECK(loop.at("p99_seconds") == 0);
  CHECK(loop.at("utilization") == 0.25);
  CHECK(loop.at("waits_total") == 5);
  CHECK(loop.at("events_total") == 9);
  CHECK(loop.at("wait_seconds_total") == 30);
}

TEST_CASE("loops as JSON: blocked from the stall threshold on, frozen from a second on") {
  ShownLoop loop = waiting_loop();
  loop.sample.activity = Activity::kAway;
  loop.context.stopped_for_ns = kSecond / 20;
  CHECK(only_loop(loop).at("state") == "busy");
  loop.context.stopped_for_ns = kSecond / 2;
  CHECK(only_loop(loop).at("state") == "blocked");
  CHECK(only_loop(loop).at("frozen") == false);
  loop.context.stopped_for_ns = 2 * kSecond;
  CHECK(only_loop(loop).at("state") == "frozen");
  CHECK(only_loop(loop).at("frozen") == true);
  CHECK(only_loop(loop).at("blocked_seconds") == 2);
}

TEST_CASE("loops as JSON: the dead are ended, not frozen") {
  ShownLoop loop = waiting_loop();
  loop.process.alive = false;
  loop.sample.activity = Activity::kAway;
  CHECK(only_loop(loop).at("state") == "ended");
  CHECK(only_loop(loop).at("frozen") == false);
}

TEST_CASE("loops as JSON: what is not known is null") {
  ShownLoop loop = waiting_loop();
  loop.window = {};
  loop.sample.wait_ns = loop.sample.poll_ns = 0;
  const json shown = only_loop(loop);
  CHECK(shown.at("p99_seconds").is_null());
  CHECK(shown.at("utilization").is_null());
  CHECK(shown.at("iterations_per_second").is_null());
}

TEST_CASE("loops as JSON: names come out as they went in") {
  for (const std::string name : {"with \"quotes\" and \\", "two\nlines\r\ttab", "</script><img src=x>",
                                 "\xc3\xa9\xe2\x82\xac", "a\x01z"}) {
    ShownLoop loop = waiting_loop();
    loop.process.name = loop.sample.thread_name = name;
    const std::string text = document_of(loop);
    CHECK(json::parse(text).at("loops").at(0).at("process") == name);
    CHECK(json::parse(text).at("loops").at(0).at("thread") == name);
    CHECK(text.find('\n') == text.size() - 1);  // no newline but the last
  }
}

TEST_CASE("loops as JSON: what is no UTF-8 is replaced") {
  ShownLoop loop = waiting_loop();
  loop.process.name = label_text("a\xffz");
  loop.sample.thread_name = "b\xffy";  // has not been through label_text()
  CHECK(only_loop(loop).at("process") == "a\xef\xbf\xbdz");
  CHECK(only_loop(loop).at("thread") == "b\xef\xbf\xbdy");
}

TEST_CASE("history as JSON: an array for each figure, and a bound for each class but the last") {
  HistoryColumn column;
  column.ended_unix_s = 1'700'000'000;
  column.p99_seconds = 0.123456789f;
  column.p50_seconds = std::numeric_limits<float>::quiet_NaN();
  column.busy_seconds = 1;
  column.observed_seconds = 4;
  column.log_counts[3] = HistoryColumn::log_count(1);
  const json history = json::parse(history_json({column, HistoryColumn()}));
  CHECK(history.at("interval_seconds") == 5);
  CHECK(history.at("length_seconds") == 600);
  CHECK(history.at("class_bounds_seconds").size() == HistoryColumn::kClasses - 1);
  CHECK(history.at("class_bounds_seconds").at(16) == 1);
  CHECK(history.at("time").at(0) == 1'700'000'000);
  CHECK(history.at("p99_seconds").at(0) == 0.123457);
  CHECK(history.at("p50_seconds").at(0).is_null());
  CHECK(history.at("utilization").at(0) == 0.25);
  CHECK(history.at("utilization").at(1).is_null());
  CHECK(history.at("iterations").at(0).at(3) == 1);
  CHECK(history.at("iterations").at(0).size() == HistoryColumn::kClasses);
}
