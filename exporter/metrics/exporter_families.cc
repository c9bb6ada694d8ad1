#include "exporter/metrics/exporter_families.h"

#include <string>

#include "exporter/base/build_info.h"
#include "preload/segment_layout.h"

namespace looptap {

void add_exporter_families(const ExporterFigures& figures, SeriesWriter& writer,
                           std::vector<MetricFamily>& families) {
  const Snapshot& snapshot = figures.snapshot;
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

  if (!figures.bpf_hook.empty()) {
    MetricFamily& hook =
        family("looptap_bpf_hook", "Where eBPF learns of waits; always 1.", MetricType::kGauge);
    writer.set_labels({{"hook", figures.bpf_hook}});
    writer.add_value(hook, 1);
    writer.set_labels({{"reason", "preloaded_elsewhere"}});
    writer.add_value(
        family("looptap_bpf_skipped_processes_total",
               "Processes that eBPF does not measure. preloaded_elsewhere: they carry the probe, with "
               "a segment in another directory.",
               MetricType::kCounter),
        static_cast<double>(snapshot.losses.preloaded_elsewhere));
  }

  MetricFamily& segments =
      family("looptap_segments",
             "Segments, and processes measured by eBPF, that are shown, by whether the process lives.",
             MetricType::kGauge);
  writer.set_labels({{"state", "live"}});
  writer.add_value(segments, static_cast<double>(snapshot.live_processes));
  writer.set_labels({{"state", "ended"}});
  writer.add_value(segments, static_cast<double>(snapshot.ended_processes));

  MetricFamily& rejected =
      family("looptap_rejected_segments_total",
             "Files in the segment directory that were refused, by reason.", MetricType::kCounter);
  for (const Rejection why : kRejections) {
    const auto count = snapshot.losses.rejected.find(why);
    writer.set_labels({{"reason", name_of(why)}});
    writer.add_value(rejected,
                     count == snapshot.losses.rejected.end() ? 0 : static_cast<double>(count->second));
  }

  single("looptap_dropped_loops_total", "Loops that found no slot in their segment.", MetricType::kCounter,
         static_cast<double>(snapshot.losses.dropped_loops));
  single("looptap_inconsistent_reads_total",
         "Samples that could not be taken and were replaced by the one before.", MetricType::kCounter,
         static_cast<double>(snapshot.losses.inconsistent_reads));
  single("looptap_deaths_in_stall_total",
         "Processes that died without exiting while a loop of theirs had been away for longer than the "
         "threshold.",
         MetricType::kCounter, static_cast<double>(snapshot.deaths_in_stall));
  single("looptap_unremovable_segments", "Segments of dead processes that the exporter may not remove.",
         MetricType::kGauge, static_cast<double>(snapshot.losses.unremovable));
  single("looptap_stall_threshold_seconds",
         "The stall threshold in use: the bucket bound nearest to the one asked for.", MetricType::kGauge,
         snapshot.stall_threshold_seconds());
  single("looptap_last_scrape_duration_seconds", "How long the scrape before this one took to collect.",
         MetricType::kGauge, figures.last_scrape_seconds);
}

}  // namespace looptap
