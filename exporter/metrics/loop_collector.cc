#include "exporter/metrics/loop_collector.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "exporter/metrics/exporter_families.h"
#include "exporter/metrics/loop_families.h"

namespace looptap {

namespace {

class ProcessFamilies {
 public:
  explicit ProcessFamilies(SeriesWriter& writer) : writer_(writer) {}

  void add(const ProcessView& process) {
    if (!process.alive) return;
    const std::string pid_namespace = std::to_string(process.pid_namespace);
    Labels labels = {{"process", process.name}, {"pid", process.pid}, {"pid_namespace", pid_namespace}};
    writer_.set_labels(labels);
    writer_.add_value(info_, 1);
    const ContainerIdentity& container = process.container;
    if (container != ContainerIdentity()) {
      writer_.set_labels({{"process", process.name},
                          {"pid", process.pid},
                          {"pod_uid", container.pod_uid},
                          {"container_id", container.container_id},
                          {"runtime", container.runtime},
                          {"unit", container.unit}});
      writer_.add_value(target_, 1);
    }
    if (!process.figures) return;
    labels.pop_back();
    writer_.set_labels(labels);
    writer_.add_value(cpu_, process.figures->cpu_seconds);
    writer_.add_value(memory_, static_cast<double>(process.figures->resident_bytes));
    writer_.add_value(start_, process.figures->start_time_seconds);
  }
  void move_to(std::vector<MetricFamily>& families) {
    for (MetricFamily* family : {&info_, &target_, &cpu_, &memory_, &start_})
      families.push_back(std::move(*family));
  }

 private:
  SeriesWriter& writer_;
  MetricFamily info_{"eventloop_process_info",
                     "The living processes and their PID namespaces; always 1.",
                     MetricType::kGauge,
                     {}};
  MetricFamily target_{"looptap_target_info",
                       "Where the living processes run, as their cgroups tell, if they do; always 1.",
                       MetricType::kGauge,
                       {}};
  MetricFamily cpu_{"eventloop_process_cpu_seconds_total",
                    "CPU time of the process, in user and system mode.",
                    MetricType::kCounter,
                    {}};
  MetricFamily memory_{
      "eventloop_process_resident_memory_bytes", "Resident memory of the process.", MetricType::kGauge, {}};
  MetricFamily start_{"eventloop_process_start_time_seconds",
                      "When the process started, since the Unix epoch.",
                      MetricType::kGauge,
                      {}};
};

}  // namespace

LoopCollector::LoopCollector(LoopMonitor& monitor, CollectorSettings settings)
    : monitor_(monitor),
      settings_(std::move(settings)),
      stall_bound_(nearest_bound(settings_.stall_threshold_ns)) {}

std::string LoopCollector::collect(ExpositionFormat format) {
  const auto start = std::chrono::steady_clock::now();
  // One at a time: the older of two looks must not be shown after the younger.
  std::lock_guard lock(mutex_);
  const auto writer = make_writer(format);
  LoopFamilies loops(settings_, stall_bound_, *writer, shown_);
  ProcessFamilies processes(*writer);
  const MonitorTotals totals = monitor_.visit(
      [&](const ProcessView& process) {
        loops.finish_process();
        processes.add(process);
      },
      [&](const LoopView& loop) { loops.add(loop); });
  std::vector<MetricFamily> families;
  loops.move_to(families);
  shown_.evict_unused();
  processes.move_to(families);
  add_exporter_families({totals, stall_bound_, settings_.bpf_hook, last_scrape_seconds_}, *writer, families);
  last_scrape_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return writer->join(std::move(families));
}

}  // namespace looptap
