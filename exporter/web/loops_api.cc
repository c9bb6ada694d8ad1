#include "exporter/web/loops_api.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "exporter/base/build_info.h"
#include "exporter/model/latency.h"

namespace looptap {

namespace {

using nlohmann::ordered_json;

constexpr double kFrozen_seconds = 1;  // a stall that a person would see

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

const char* state_of(const LoopView& loop, double blocked_seconds, double stall_seconds) {
  if (!loop.process.alive) return "ended";
  if (blocked_seconds >= std::max(kFrozen_seconds, stall_seconds)) return "frozen";
  if (blocked_seconds >= stall_seconds) return "blocked";
  switch (loop.sample.activity) {
    case Activity::kDormant:
      return "dormant";
    case Activity::kWaiting:
      return "waiting";
    case Activity::kPolling:
    case Activity::kAway:
      break;
  }
  return "busy";
}

ordered_json loop_json(const LoopView& loop, uint32_t stall_bound) {
  const LoopSample& sample = loop.sample;
  const TimeTotals totals = time_totals(sample);
  const std::vector<double> latency = latency_quantiles(loop.window, {0.5, 0.95, 0.99});
  const double blocked_seconds = seconds(loop.blocked_ns);
  const std::string state = state_of(loop, blocked_seconds, bound_seconds(stall_bound));
  const double observed_seconds = seconds(observed_ns(loop.window));

  ordered_json json;
  json["id"] = loop.id;
  json["process"] = loop.process.name;
  json["pid"] = loop.process.pid;
  json["loop"] = std::to_string(sample.ordinal);
  json["thread"] = sample.thread_name;
  json["alive"] = loop.process.alive;
  json["state"] = state;
  json["frozen"] = state == "frozen";
  json["blocked_seconds"] = blocked_seconds;
  json["p50_seconds"] = latency[0];
  json["p95_seconds"] = latency[1];
  json["p99_seconds"] = latency[2];
  json["utilization"] = loop.history.utilization(sample);
  json["iterations_per_second"] =
      observed_seconds > 0 ? static_cast<double>(loop.window.iterations.count()) / observed_seconds : NAN;
  json["iterations_total"] = sample.iterations.count();
  json["stalls_total"] = count_longer(sample.iterations, totals.open_iteration_ns, stall_bound);
  json["waits_total"] = sample.waits;
  json["events_total"] = sample.events;
  json["busy_seconds_total"] = seconds(totals.busy_ns());
  json["wait_seconds_total"] = seconds(totals.wait_ns);
  return json;
}

}  // namespace

struct LoopsDocument::Json {
  ordered_json array = ordered_json::array();
};

LoopsDocument::LoopsDocument(const LoopsApiSettings& settings)
    : settings_(settings), loops_(std::make_unique<Json>()) {}

LoopsDocument::~LoopsDocument() = default;

void LoopsDocument::add(const LoopView& loop) {
  loops_->array.push_back(loop_json(loop, nearest_bound(settings_.stall_threshold_ns)));
}

std::string LoopsDocument::finish(const MonitorTotals& totals) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  ordered_json json;
  json["version"] = build_version();
  json["time"] = std::chrono::duration<double>(now).count();
  json["window_seconds"] = seconds(settings_.window_ns);
  json["stall_threshold_seconds"] = bound_seconds(nearest_bound(settings_.stall_threshold_ns));
  json["processes"] = {{"live", totals.live_processes}, {"ended", totals.ended_processes}};
  json["loops"] = std::move(loops_->array);
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
