#include "exporter/cli/loop_table.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "exporter/base/duration.h"
#include "exporter/model/latency.h"

namespace looptap {

namespace {

/// For a terminal: what a process calls itself must not move its cursor.
std::string printable(const std::string& text) {
  std::string result;
  for (const char byte : text) result += static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f ? '?' : byte;
  return result;
}

using Row = std::vector<std::string>;

Row row_of(const ProcessSnapshot& process, const LoopSnapshot& loop) {
  const LatencyDistribution latency(loop.sample);
  const LoopFigures& figures = loop.figures;
  char utilization[16] = "-";
  if (const double share = figures.lifetime_utilization(); share >= 0)
    snprintf(utilization, sizeof utilization, "%.1f %%", 100 * share);
  return {printable(process.name),
          process.pid,
          std::to_string(loop.sample.ordinal),
          printable(loop.sample.thread_name),
          std::to_string(figures.iterations),
          format_seconds(latency.quantile(0.5)),
          format_seconds(latency.quantile(0.95)),
          format_seconds(latency.quantile(0.99)),
          format_seconds(static_cast<double>(figures.longest_iteration_ns) * 1e-9),
          utilization};
}

}  // namespace

std::string loop_table(const Snapshot& snapshot) {
  std::vector<Row> rows = {
      {"process", "pid", "loop", "thread", "iterations", "p50", "p95", "p99", "longest", "utilization"}};
  for (const ProcessSnapshot& process : snapshot.processes)
    for (const LoopSnapshot& loop : process.loops) rows.push_back(row_of(process, loop));
  if (rows.size() == 1)
    return "looptap: no event loop was seen (no epoll wait in a dynamically linked program)\n";
  std::vector<size_t> widths(rows[0].size());
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());

  std::string table = "looptap: loop latency, over the whole run\n";
  for (const Row& row : rows) {
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
