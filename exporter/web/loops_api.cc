#include "exporter/web/loops_api.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "exporter/base/build_info.h"

namespace looptap {

namespace {

using nlohmann::ordered_json;

double seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

/// NaN becomes null. What is no UTF-8 is replaced already (label_text.h), and would be here.
std::string write(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

/// Six digits: a float has no more, and a figure's history is 120 of them.
double rounded(float value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

ordered_json loop_json(const ProcessSnapshot& process, const LoopSnapshot& loop) {
  const LoopFigures& figures = loop.figures;
  ordered_json json;
  json["id"] = loop.id;
  json["process"] = process.name;
  json["pid"] = process.pid;
  json["loop"] = std::to_string(loop.sample.ordinal);
  json["thread"] = loop.sample.thread_name;
  json["alive"] = process.alive;
  json["state"] = name_of(figures.state);
  json["frozen"] = figures.state == LoopState::kFrozen;
  json["blocked_seconds"] = seconds(figures.blocked_ns);
  json["p50_seconds"] = figures.p50_seconds;
  json["p95_seconds"] = figures.p95_seconds;
  json["p99_seconds"] = figures.p99_seconds;
  json["utilization"] = figures.utilization;
  json["iterations_per_second"] = figures.iterations_per_second;
  json["iterations_total"] = figures.iterations;
  json["stalls_total"] = figures.stalls;
  json["waits_total"] = figures.waits;
  json["events_total"] = figures.events;
  json["busy_seconds_total"] = seconds(figures.busy_ns);
  json["wait_seconds_total"] = seconds(figures.wait_ns);
  return json;
}

}  // namespace

std::string loops_json(const Snapshot& snapshot) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  ordered_json loops = ordered_json::array();
  for (const ProcessSnapshot& process : snapshot.processes)
    for (const LoopSnapshot& loop : process.loops) loops.push_back(loop_json(process, loop));
  ordered_json json;
  json["version"] = build_version();
  json["time"] = std::chrono::duration<double>(now).count();
  json["window_seconds"] = seconds(snapshot.window_ns);
  json["stall_threshold_seconds"] = snapshot.stall_threshold_seconds();
  json["processes"] = {{"live", snapshot.live_processes()}, {"ended", snapshot.ended_processes()}};
  json["loops"] = std::move(loops);
  return write(json);
}

std::string history_json(const std::vector<HistoryColumn>& columns) {
  ordered_json json;
  json["interval_seconds"] = seconds(LoopHistory::kColumn_ns);
  json["length_seconds"] = seconds(LoopHistory::kColumn_ns * LoopHistory::kColumns);

  // The last class has no upper bound.
  ordered_json& bounds = json["class_bounds_seconds"] = ordered_json::array();
  for (unsigned i = 0; i + 1 < HistoryColumn::kClasses; i++)
    bounds.push_back(std::exp2(static_cast<int>(i) + HistoryColumn::kFirstClassExponent));

  for (const char* name :
       {"time", "p50_seconds", "p95_seconds", "p99_seconds", "utilization", "blocked_seconds", "iterations"})
    json[name] = ordered_json::array();
  for (const HistoryColumn& column : columns) {
    json["time"].push_back(column.ended_unix_s);
    json["p50_seconds"].push_back(rounded(column.p50_seconds));
    json["p95_seconds"].push_back(rounded(column.p95_seconds));
    json["p99_seconds"].push_back(rounded(column.p99_seconds));
    json["utilization"].push_back(rounded(column.busy_seconds / column.observed_seconds));
    json["blocked_seconds"].push_back(rounded(column.blocked_seconds));
    ordered_json counts = ordered_json::array();
    for (const uint8_t log_count : column.log_counts) counts.push_back(HistoryColumn::count_of(log_count));
    json["iterations"].push_back(std::move(counts));
  }
  return write(json);
}

}  // namespace looptap
