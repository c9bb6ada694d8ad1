#include "exporter/cli/loop_table.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "exporter/base/duration.h"
#include "exporter/model/histogram_bounds.h"
#include "exporter/model/latency.h"

namespace looptap {

namespace {

/// Upper end of the longest iteration's bucket (its mean where that is known), in seconds.
double longest_seconds(const LoopSample& sample) {
  const uint64_t open_ns = time_totals(sample).open_iteration_ns;
  uint64_t closed_ns = 0;
  if (!sample.iterations.buckets.empty()) {
    const auto& last = sample.iterations.buckets.back();
    closed_ns = last.sum_ns ? last.sum_ns / last.count : bound_ns(last.index + 1);
  }
  return static_cast<double>(std::max(open_ns, closed_ns)) * 1e-9;
}

/// For a terminal: what a process calls itself must not move its cursor.
std::string printable(const std::string& text) {
  std::string result;
  for (const char byte : text) result += static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f ? '?' : byte;
  return result;
}

}  // namespace

LoopTable::LoopTable()
    : rows_({{"process", "pid", "loop", "thread", "iterations", "p50", "p95", "p99", "longest",
              "utilization"}}) {}

void LoopTable::add(const LoopView& loop) {
  const LoopSample& sample = loop.sample;
  const LatencyDistribution latency(sample);
  const TimeTotals totals = time_totals(sample);
  char utilization[16] = "-";
  if (totals.observed_ns())
    snprintf(utilization, sizeof utilization, "%.1f %%",
             100.0 * static_cast<double>(totals.busy_ns()) / static_cast<double>(totals.observed_ns()));
  rows_.push_back({printable(loop.process.name), loop.process.pid, std::to_string(sample.ordinal),
                   printable(sample.thread_name), std::to_string(sample.iterations.count()),
                   format_seconds(latency.quantile(0.5)), format_seconds(latency.quantile(0.95)),
                   format_seconds(latency.quantile(0.99)), format_seconds(longest_seconds(sample)),
                   utilization});
}

std::string LoopTable::format() const {
  if (rows_.size() == 1)
    return "looptap: no event loop was seen (no epoll wait in a dynamically linked program)\n";
  std::vector<size_t> widths(rows_[0].size());
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());

  std::string table = "looptap: loop latency, over the whole run\n";
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); i++) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      const bool text = i == 0 || i == 3;
      line += "  " + (text ? row[i] + padding : padding + row[i]);
    }
    table += line + "\n";
  }
  return table;
}

}  // namespace looptap
