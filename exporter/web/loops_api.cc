#include "exporter/web/loops_api.h"

#include <chrono>
#include <cmath>
#include <string_view>

#include "exporter/base/build_info.h"
#include "exporter/web/json_text.h"

namespace looptap {

namespace {

double seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

/// Six digits: a float has no more, and a figure's history is 120 of them.
double rounded(float value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

void add_loop(const ProcessSnapshot& process, const LoopSnapshot& loop, JsonText& json) {
  const LoopFigures& figures = loop.figures;
  json.begin_object()
      .add("id", loop.id)
      .add("process", std::string_view(process.name))
      .add("pid", std::string_view(process.pid))
      .add("loop", std::string_view(std::to_string(loop.sample.ordinal)))
      .add("thread", std::string_view(loop.sample.thread_name))
      .add("alive", process.alive)
      .add("state", std::string_view(name_of(figures.state)))
      .add("frozen", figures.state == LoopState::kFrozen)
      .add("blocked_seconds", seconds(figures.blocked_ns))
      .add("p50_seconds", figures.p50_seconds)
      .add("p95_seconds", figures.p95_seconds)
      .add("p99_seconds", figures.p99_seconds)
      .add("utilization", figures.utilization)
      .add("iterations_per_second", figures.iterations_per_second)
      .add("iterations_total", figures.iterations)
      .add("stalls_total", figures.stalls)
      .add("waits_total", figures.waits)
      .add("events_total", figures.events)
      .add("busy_seconds_total", seconds(figures.busy_ns))
      .add("wait_seconds_total", seconds(figures.wait_ns))
      .end_object();
}

}  // namespace

std::string loops_json(const Snapshot& snapshot) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  JsonText json;
  json.begin_object()
      .add("version", std::string_view(build_version()))
      .add("time", std::chrono::duration<double>(now).count())
      .add("window_seconds", seconds(snapshot.window_ns))
      .add("stall_threshold_seconds", snapshot.stall_threshold_seconds());
  json.key("processes").begin_object();
  json.add("live", snapshot.live_processes()).add("ended", snapshot.ended_processes()).end_object();
  json.key("loops").begin_array();
  for (const ProcessSnapshot& process : snapshot.processes)
    for (const LoopSnapshot& loop : process.loops) add_loop(process, loop, json);
  json.end_array().end_object();
  return json.take();
}

std::string history_json(const std::vector<HistoryColumn>& columns) {
  JsonText json;
  json.begin_object()
      .add("interval_seconds", seconds(LoopHistory::kColumn_ns))
      .add("length_seconds", seconds(LoopHistory::kColumn_ns * LoopHistory::kColumns));

  // The last class has no upper bound.
  json.key("class_bounds_seconds").begin_array();
  for (unsigned i = 0; i + 1 < HistoryColumn::kClasses; i++)
    json.value(std::exp2(static_cast<int>(i) + HistoryColumn::kFirstClassExponent));
  json.end_array();

  const auto add_row = [&](const char* name, const auto& figure) {
    json.key(name).begin_array();
    for (const HistoryColumn& column : columns) json.value(figure(column));
    json.end_array();
  };
  add_row("time", [](const HistoryColumn& column) { return uint64_t{column.ended_unix_s}; });
  add_row("p50_seconds", [](const HistoryColumn& column) { return rounded(column.p50_seconds); });
  add_row("p95_seconds", [](const HistoryColumn& column) { return rounded(column.p95_seconds); });
  add_row("p99_seconds", [](const HistoryColumn& column) { return rounded(column.p99_seconds); });
  add_row("utilization",
          [](const HistoryColumn& column) { return rounded(column.busy_seconds / column.observed_seconds); });
  add_row("blocked_seconds", [](const HistoryColumn& column) { return rounded(column.blocked_seconds); });
  json.key("iterations").begin_array();
  for (const HistoryColumn& column : columns) {
    json.begin_array();
    for (const uint8_t log_count : column.log_counts) json.value(HistoryColumn::count_of(log_count));
    json.end_array();
  }
  json.end_array().end_object();
  return json.take();
}

}  // namespace looptap
