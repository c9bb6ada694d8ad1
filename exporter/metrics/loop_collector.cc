#include "exporter/metrics/loop_collector.h"

#include <chrono>
#include <utility>
#include <vector>

#include "exporter/metrics/exporter_families.h"
#include "exporter/metrics/loop_families.h"
#include "exporter/metrics/process_families.h"

namespace looptap {

LoopCollector::LoopCollector(LoopMonitor& monitor, CollectorSettings settings)
    : monitor_(monitor), settings_(std::move(settings)) {}

std::string LoopCollector::collect(ExpositionFormat format) {
  const auto start = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  snapshot_ = monitor_.snapshot(std::move(snapshot_));
  const auto writer = make_writer(format);
  LoopFamilies loops(settings_, *writer, shown_);
  ProcessFamilies processes(*writer);
  for (const ProcessSnapshot& process : snapshot_.processes) {
    loops.add(process, snapshot_);
    processes.add(process);
  }
  shown_.evict_unused();
  std::vector<MetricFamily> families;
  loops.move_to(families);
  processes.move_to(families);
  add_exporter_families({snapshot_, settings_.bpf_hook}, *writer, families);
  last_scrape_duration_.set(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return writer->join(std::move(families));
}

}  // namespace looptap
