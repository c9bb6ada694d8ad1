#include "exporter/metrics/exporter_families.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "exporter/base/build_info.h"
#include "exporter/base/limited_log.h"
#include "exporter/self/own_families.h"
#include "preload/segment_layout.h"

namespace looptap {

namespace {

/// What exporter/self counts. By our writers, as everything: prometheus-cpp's own knows no OpenMetrics and no protobuf.
void add_counted(SeriesWriter& writer, std::vector<MetricFamily>& families) {
  for (prometheus::MetricFamily& counted : self::own_families()) {
    const bool is_counter = counted.type == prometheus::MetricType::Counter;  // or a gauge: there is no more
    MetricFamily& family =
        families.emplace_back(MetricFamily{std::move(counted.name),
                                           std::move(counted.help),
                                           is_counter ? MetricType::kCounter : MetricType::kGauge,
                                           {}});
    for (const prometheus::ClientMetric& series : counted.metric) {
      Labels labels;
      for (const auto& label : series.label) labels.push_back({label.name, label.value});
      writer.set_labels(labels);
      writer.add_value(family, is_counter ? series.counter.value : series.gauge.value);
    }
  }
}

void add_read(const ExporterFigures& figures, SeriesWriter& writer, std::vector<MetricFamily>& families) {
  const auto add = [&](const char* name, const char* help, MetricType type) -> MetricFamily& {
    return families.emplace_back(MetricFamily{name, help, type, {}});
  };
  const auto add_single = [&](const char* name, const char* help, MetricType type, double value) {
    writer.set_labels({});
    writer.add_value(add(name, help, type), value);
  };
  const std::string layout = std::to_string(LOOPTAP_LAYOUT_VERSION);
  const std::string version = build_version(), revision = build_revision();
  MetricFamily& build =
      add("looptap_build_info", "The exporter's version, revision and layout of segments; always 1.",
          MetricType::kGauge);
  writer.set_labels({{"version", version}, {"revision", revision}, {"layout", layout}});
  writer.add_value(build, 1);

  if (!figures.bpf_hook.empty()) {
    MetricFamily& hook = add("looptap_bpf_hook", "Where eBPF learns of waits; always 1.", MetricType::kGauge);
    writer.set_labels({{"hook", figures.bpf_hook}});
    writer.add_value(hook, 1);
  }

  MetricFamily& processes =
      add("looptap_processes",
          "Processes that are shown, by whether they live, and by the source that measures them.",
          MetricType::kGauge);
  for (const ProcessCount& shown : figures.snapshot.shown) {
    writer.set_labels({{"state", "ended"}, {"source", shown.source}});
    writer.add_value(processes, static_cast<double>(shown.ended));
    writer.set_labels({{"state", "live"}, {"source", shown.source}});
    writer.add_value(processes, static_cast<double>(shown.live));
  }

  MetricFamily& dropped = add(
      "looptap_dropped_loops_total",
      "Loops that are not shown. max_loops: there are more than --segments.max-loops. no_slot: they found "
      "none in their segment, or of eBPF's.",
      MetricType::kCounter);
  writer.set_labels({{"reason", "max_loops"}});
  writer.add_value(dropped, static_cast<double>(figures.snapshot.losses.loops_over_limit));
  writer.set_labels({{"reason", "no_slot"}});
  writer.add_value(dropped, static_cast<double>(figures.snapshot.losses.dropped_loops));

  add_single("looptap_suppressed_log_lines_total",
             "Log lines that were not written, as there were too many of their kind.", MetricType::kCounter,
             static_cast<double>(LimitedLog::suppressed_lines()));
  add_single("looptap_unremovable_segments", "Segments of dead processes that the exporter may not remove.",
             MetricType::kGauge, static_cast<double>(figures.snapshot.losses.unremovable));
  add_single("looptap_stall_threshold_seconds",
             "The stall threshold in use: the bucket bound nearest to the one asked for.", MetricType::kGauge,
             figures.snapshot.stall_threshold_seconds());
}

}  // namespace

void add_exporter_families(const ExporterFigures& figures, SeriesWriter& writer,
                           std::vector<MetricFamily>& families) {
  std::vector<MetricFamily> own;
  add_counted(writer, own);
  add_read(figures, writer, own);
  std::ranges::sort(own, {}, &MetricFamily::name);
  std::ranges::move(own, std::back_inserter(families));
}

}  // namespace looptap
