#include "exporter/self/own_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <string>

#include "exporter/self/own_families.h"

namespace looptap::self {

namespace {

// Never destroyed: threads may count while the process exits.
prometheus::Registry& registry() {
  static auto& registry = *new prometheus::Registry;
  return registry;
}

using CounterFamily = prometheus::Family<prometheus::Counter>;

CounterFamily& counters(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry());
}

Counter labelled(CounterFamily& family, const char* label, std::string_view value) {
  return Counter(family.Add({{label, std::string(value)}}));
}

}  // namespace

void Counter::increment() { counter_->Increment(); }

// A double counts to 2^53 without loss.
uint64_t Counter::value() const { return static_cast<uint64_t>(counter_->Value()); }

void Gauge::set(double value) { gauge_->Set(value); }

double Gauge::value() const { return gauge_->Value(); }

Counter errors(std::string_view where) {
  static auto& family =
      counters("looptap_errors_total", "Failures of a part that cost only that part, by where.");
  return labelled(family, "where", where);
}

Counter rejected_segments(std::string_view reason) {
  static auto& family = counters("looptap_rejected_segments_total",
                                 "Files in the segment directory that were refused, by reason.");
  return labelled(family, "reason", reason);
}

Counter bpf_skipped_processes(std::string_view reason) {
  static auto& family = counters("looptap_bpf_skipped_processes_total",
                                 "Processes that eBPF does not measure. preloaded_elsewhere: they carry the "
                                 "probe, with a segment in another directory.");
  return labelled(family, "reason", reason);
}

Counter wrong_settings(std::string_view setting) {
  static auto& family = counters("looptap_wrong_settings_total",
                                 "Settings in the environment of a process whose value the probe did not "
                                 "understand.");
  return labelled(family, "setting", setting);
}

Counter inconsistent_reads() {
  static auto& family = counters("looptap_inconsistent_reads_total",
                                 "Samples that could not be taken and were replaced by the one before.");
  return Counter(family.Add({}));
}

Counter shortages(std::string_view of) {
  static auto& family = counters("looptap_shortages_total",
                                 "Calls that failed for want of something that may be there later, and are "
                                 "made again: descriptors, memory, time, or a turn.");
  return labelled(family, "of", of);
}

Counter deaths_in_stall() {
  static auto& family = counters("looptap_deaths_in_stall_total",
                                 "Processes that died without exiting while a loop of theirs had been away "
                                 "for longer than the threshold.");
  return Counter(family.Add({}));
}

Gauge last_scrape_duration() {
  static auto& family = prometheus::BuildGauge()
                            .Name("looptap_last_scrape_duration_seconds")
                            .Help("How long the scrape before this one took to collect.")
                            .Register(registry());
  return Gauge(family.Add({}));
}

std::vector<prometheus::MetricFamily> own_families() {
  // Those without labels are there from the start, whoever counts them.
  inconsistent_reads(), deaths_in_stall(), last_scrape_duration();
  std::vector<prometheus::MetricFamily> families = registry().Collect();
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  for (prometheus::MetricFamily& family : families)
    std::ranges::sort(family.metric, [](const auto& a, const auto& b) { return a.label < b.label; });
  return families;
}

}  // namespace looptap::self
