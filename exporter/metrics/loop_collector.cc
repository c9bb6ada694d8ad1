#include "exporter/metrics/loop_collector.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "exporter/base/build_info.h"
#include "exporter/metrics/loop_families.h"
#include "preload/segment_layout.h"

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

void collect_exporter(const MonitorTotals& totals, uint32_t stall_bound, const std::string& bpf_hook,
                      double last_scrape_seconds, SeriesWriter& writer, std::vector<MetricFamily>& families) {
  const auto family = [&](const char* name, const char* help, MetricType type) -> MetricFamily& {
    return families.emplace_back(MetricFamily{name, help, type, {}});
  };
  const auto single = [&](const char* name, const char* help, MetricType type, double value) {
    writer.set_labels({});
    writer.add_value(family(name, help, type), value);
  };
  const std::string layout = std::to_string(LOOPTAP_LAYOUT_VERSION);
  const std::string version = build_version(), revision = build_revision();
  MetricFamily& build =
      family("looptap_build_info", "The exporter's version, revision and layout of segments; always 1.",
             MetricType::kGauge);
  writer.set_labels({{"version", version}, {"revision", revision}, {"layout", layout}});
  writer.add_value(build, 1);

  if (!bpf_hook.empty()) {
    MetricFamily& hook =
        family("looptap_bpf_hook", "Where eBPF learns of waits; always 1.", MetricType::kGauge);
    writer.set_labels({{"hook", bpf_hook}});
    writer.add_value(hook, 1);
    single("looptap_left_out_processes_total",
           "Processes that eBPF left out since they carry the probe, with a segment in another directory.",
           MetricType::kCounter, static_cast<double>(totals.losses.left_out));
  }

  MetricFamily& segments =
      family("looptap_segments",
             "Segments, and processes measured by eBPF, that are shown, by whether the process lives.",
             MetricType::kGauge);
  writer.set_labels({{"state", "live"}});
  writer.add_value(segments, static_cast<double>(totals.live_processes));
  writer.set_labels({{"state", "ended"}});
  writer.add_value(segments, static_cast<double>(totals.ended_processes));

  MetricFamily& rejected =
      family("looptap_rejected_segments_total",
             "Files in the segment directory that were refused, by reason.", MetricType::kCounter);
  for (const Rejection why : kRejections) {
    const auto count = totals.losses.rejected.find(why);
    writer.set_labels({{"reason", name_of(why)}});
    writer.add_value(rejected,
                     count == totals.losses.rejected.end() ? 0 : static_cast<double>(count->second));
  }

  single("looptap_dropped_loops_total", "Loops that found no slot in their segment.", MetricType::kCounter,
         static_cast<double>(totals.losses.dropped_loops));
  single("looptap_inconsistent_reads_total",
         "Samples that could not be taken and were replaced by the one before.", MetricType::kCounter,
         static_cast<double>(totals.losses.inconsistent_reads));
  single("looptap_deaths_in_stall_total",
         "Processes that died without exiting while a loop of theirs had been away for longer than the "
         "threshold.",
         MetricType::kCounter, static_cast<double>(totals.deaths_in_stall));
  single("looptap_unremovable_segments", "Segments of dead processes that the exporter may not remove.",
         MetricType::kGauge, static_cast<double>(totals.losses.unremovable));
  single("looptap_stall_threshold_seconds",
         "The stall threshold in use: the bucket bound nearest to the one asked for.", MetricType::kGauge,
         bound_seconds(stall_bound));
  single("looptap_last_scrape_duration_seconds", "How long the scrape before this one took to collect.",
         MetricType::kGauge, last_scrape_seconds);
}

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
  shown_.forget_others();
  processes.move_to(families);
  collect_exporter(totals, stall_bound_, settings_.bpf_hook, last_scrape_seconds_, *writer, families);
  last_scrape_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return writer->join(std::move(families));
}

}  // namespace looptap
