#include "exporter/loop_collector.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <string>

#include "exporter/build_info.h"
#include "preload/segment_layout.h"

namespace looptap {

namespace {

constexpr double kNanosecond = 1e-9;
constexpr uint64_t kMicrosecond_ns = 1'000, kMillisecond_ns = 1'000'000, kSecond_ns = 1'000'000'000;

const Bounds kIterationBounds_ns = {10 * kMicrosecond_ns,  100 * kMicrosecond_ns, 1 * kMillisecond_ns,
                                    5 * kMillisecond_ns,   10 * kMillisecond_ns,  25 * kMillisecond_ns,
                                    50 * kMillisecond_ns,  100 * kMillisecond_ns, 250 * kMillisecond_ns,
                                    500 * kMillisecond_ns, 1 * kSecond_ns,        5 * kSecond_ns,
                                    10 * kSecond_ns};
const Bounds kWakeupDelayBounds_ns = {100 * kMicrosecond_ns, 500 * kMicrosecond_ns, 1 * kMillisecond_ns,
                                      5 * kMillisecond_ns,   10 * kMillisecond_ns,  50 * kMillisecond_ns,
                                      100 * kMillisecond_ns, 1 * kSecond_ns};

double seconds(uint64_t ns) { return static_cast<double>(ns) * kNanosecond; }

constexpr int32_t kSchema = 5;
constexpr int32_t kFirstIndex = 1 - 20 * 32;  // Prometheus' number of bucket 0 of histogram_scheme.h

LabelNumbers label_numbers(const Bounds& bounds_ns) {
  LabelNumbers numbers;
  for (const uint64_t bound_ns : bounds_ns) numbers.emplace_back(seconds(bound_ns));
  return numbers;
}

const LabelNumbers& iteration_bounds() {
  static const LabelNumbers bounds = label_numbers(kIterationBounds_ns);
  return bounds;
}
const LabelNumbers& wakeup_delay_bounds() {
  static const LabelNumbers bounds = label_numbers(kWakeupDelayBounds_ns);
  return bounds;
}

void set_native(NativeHistogram& native, const LatencyHistogram& latency) {
  native.schema = kSchema;
  native.zero_threshold = bound_seconds(LOOPTAP_FIRST_SUMMED);
  native.zero_count = latency.zero_count;
  native.buckets.clear();
  for (size_t i = 0; i < latency.counts.size(); i++)
    if (latency.counts[i])
      native.buckets.push_back(
          {kFirstIndex + LOOPTAP_FIRST_SUMMED + static_cast<int32_t>(i), latency.counts[i]});
}

void set_native(NativeHistogram& native, const DurationHistogram& durations) {
  native.schema = kSchema;
  native.zero_threshold = bound_seconds(0);
  native.zero_count = durations.zero_count;
  native.buckets.clear();
  for (const auto& bucket : durations.buckets)
    native.buckets.push_back({kFirstIndex + static_cast<int32_t>(bucket.index), bucket.count});
}

/// The figures that are numbers and add up.
struct Counts {
  uint64_t busy_ns = 0, wait_ns = 0, blocked_ns = 0, stalls = 0, waits = 0, events = 0;

  Counts() = default;
  Counts(const LoopView& loop, uint32_t stall_bound) {
    const Reckoning reckoning = reckon(loop.sample);
    busy_ns = reckoning.busy_ns();
    wait_ns = reckoning.wait_ns;
    blocked_ns = loop.blocked_ns;
    stalls = count_longer(loop.sample.iterations, reckoning.open_iteration_ns, stall_bound);
    waits = loop.sample.waits;
    events = loop.sample.events;
  }
  void add(const Counts& other) {
    busy_ns += other.busy_ns;
    wait_ns += other.wait_ns;
    blocked_ns = std::max(blocked_ns, other.blocked_ns);
    stalls += other.stalls;
    waits += other.waits;
    events += other.events;
  }
};

/// One loop, or all loops of a process, as its series show it.
struct Subject {
  uint64_t key;  // tells it from all others
  const LatencyDistribution& lifetime;
  const std::vector<double>& latency_quantiles;  // of the window
  const DurationHistogram &iterations, &recent_iterations, &wakeup_delays;
  Counts counts;
  std::optional<ThreadFigures> figures;
};

/// The loops of a process taken together. Its series have no label that tells the loops apart, and since a thread may
/// run several of them, no figures of threads.
struct WholeProcess {
  uint64_t id;
  std::string name, pid;
  LatencyDistribution lifetime, recent;
  DurationHistogram iterations, recent_iterations, wakeup_delays;
  Counts counts;

  explicit WholeProcess(const ProcessView& process)
      : id(process.id), name(process.name), pid(process.pid), lifetime(Observed()), recent(Observed()) {}

  void add(const LoopView& loop, uint32_t stall_bound) {
    lifetime.add(LatencyDistribution(lifetime_of(loop.sample), LOOPTAP_FIRST_SUMMED));
    recent.add(LatencyDistribution(loop.window));
    iterations.add(loop.sample.iterations);
    recent_iterations.add(loop.window.iterations);
    wakeup_delays.add(loop.sample.wakeup_delays);
    counts.add(Counts(loop, stall_bound));
  }
};

/// The series of loops, or of processes where those are asked for.
class LoopFamilies {
 public:
  LoopFamilies(const CollectorSettings& settings, uint32_t stall_bound, SeriesWriter& writer,
               ShownCounters& shown)
      : settings_(settings), stall_bound_(stall_bound), writer_(writer), shown_(shown) {
    for (const double q : settings.quantiles) quantiles_.emplace_back(q);
    latency_bounds_ = label_numbers(settings.latency_bounds_ns);
  }

  void add(const LoopView& loop) {
    if (settings_.aggregate_processes) {
      if (!whole_process_) whole_process_.emplace(loop.process);
      whole_process_->add(loop, stall_bound_);
      return;
    }
    const LoopSample& sample = loop.sample;
    const std::string ordinal = std::to_string(sample.ordinal);
    writer_.set_labels({{"process", loop.process.name},
                        {"pid", loop.process.pid},
                        {"loop", ordinal},
                        {"thread", sample.thread_name}});
    show({loop.id, LatencyDistribution(lifetime_of(sample), LOOPTAP_FIRST_SUMMED),
          latency_quantiles(loop.window, settings_.quantiles), sample.iterations, loop.window.iterations,
          sample.wakeup_delays, Counts(loop, stall_bound_), loop.figures});
  }

  /// There are no more loops of the process that the last ones were of.
  void finish_process() {
    if (!whole_process_) return;
    const WholeProcess& whole = *whole_process_;
    writer_.set_labels({{"process", whole.name}, {"pid", whole.pid}});
    std::vector<double> quantiles;
    for (const double q : settings_.quantiles) quantiles.push_back(whole.recent.quantile(q));
    show({whole.id, whole.lifetime, quantiles, whole.iterations, whole.recent_iterations, whole.wakeup_delays,
          whole.counts, std::nullopt});
    whole_process_.reset();
  }

  void move_to(std::vector<MetricFamily>& families) {
    finish_process();
    for (MetricFamily* family :
         {&latency_, &latency_quantile_, &iteration_, &iteration_quantile_, &wakeup_delay_, &busy_, &wait_,
          &blocked_, &stalls_, &waits_, &events_, &thread_cpu_, &thread_runqueue_})
      families.push_back(std::move(*family));
  }

 private:
  void show(const Subject& subject) {
    IntervalCounters counters{subject.lifetime.histogram(settings_.latency_bounds_ns), subject.counts.busy_ns,
                              subject.counts.wait_ns, subject.counts.stalls};
    shown_.never_less(subject.key, counters);

    const ClassicHistogram lifetime = counters.latency.classic(settings_.latency_bounds_ns);
    writer_.add_histogram(latency_, latency_bounds_, lifetime.cumulative, lifetime.sum_seconds,
                          native_of(counters.latency));
    writer_.add_summary(latency_quantile_, quantiles_, subject.latency_quantiles, lifetime.cumulative.back(),
                        lifetime.sum_seconds);

    const ClassicHistogram iterations = duration_histogram(subject.iterations, kIterationBounds_ns);
    writer_.add_histogram(iteration_, iteration_bounds(), iterations.cumulative, iterations.sum_seconds,
                          native_of(subject.iterations));
    recent_.clear();
    for (const double q : settings_.quantiles)
      recent_.push_back(duration_quantile(subject.recent_iterations, q));
    writer_.add_summary(iteration_quantile_, quantiles_, recent_, iterations.cumulative.back(),
                        iterations.sum_seconds);

    const ClassicHistogram delays = duration_histogram(subject.wakeup_delays, kWakeupDelayBounds_ns);
    writer_.add_histogram(wakeup_delay_, wakeup_delay_bounds(), delays.cumulative, delays.sum_seconds,
                          native_of(subject.wakeup_delays));

    writer_.add_value(busy_, seconds(counters.busy_ns));
    writer_.add_value(wait_, seconds(counters.wait_ns));
    writer_.add_value(blocked_, seconds(subject.counts.blocked_ns));
    writer_.add_value(stalls_, static_cast<double>(counters.stalls));
    writer_.add_value(waits_, static_cast<double>(subject.counts.waits));
    writer_.add_value(events_, static_cast<double>(subject.counts.events));
    if (subject.figures) {
      writer_.add_value(thread_cpu_, subject.figures->cpu_seconds);
      writer_.add_value(thread_runqueue_, subject.figures->runqueue_seconds);
    }
  }

  /// Valid until it is called again.
  template <typename Histogram>
  const NativeHistogram* native_of(const Histogram& histogram) {
    if (!writer_.has_natives()) return nullptr;
    set_native(native_, histogram);
    return &native_;
  }

  const CollectorSettings& settings_;
  const uint32_t stall_bound_;
  SeriesWriter& writer_;
  ShownCounters& shown_;
  LabelNumbers quantiles_, latency_bounds_;
  std::optional<WholeProcess> whole_process_;  // all of its loops so far
  NativeHistogram native_;
  std::vector<double> recent_;

  MetricFamily latency_{
      "eventloop_latency_seconds",
      "What an event that arrives at a random instant waits until the loop next polls; one observation "
      "per millisecond observed.",
      MetricType::kHistogram,
      {}};
  MetricFamily latency_quantile_{"eventloop_latency_quantile_seconds",
                                 "Quantiles of the loop latency over the sliding window.",
                                 MetricType::kSummary,
                                 {}};
  MetricFamily iteration_{"eventloop_iteration_seconds",
                          "Closed iterations: from the return of the last wait to the next wait.",
                          MetricType::kHistogram,
                          {}};
  MetricFamily iteration_quantile_{"eventloop_iteration_quantile_seconds",
                                   "Quantiles of the iterations that closed in the sliding window.",
                                   MetricType::kSummary,
                                   {}};
  MetricFamily wakeup_delay_{"eventloop_wakeup_delay_seconds",
                             "How late waits that timed out have woken.",
                             MetricType::kHistogram,
                             {}};
  MetricFamily busy_{"eventloop_busy_seconds_total",
                     "Time away from waiting, and in waits with timeout 0.",
                     MetricType::kCounter,
                     {}};
  MetricFamily wait_{
      "eventloop_wait_seconds_total", "Time in waits that may sleep.", MetricType::kCounter, {}};
  MetricFamily blocked_{
      "eventloop_blocked_seconds",
      "How long the loop has now been away from waiting, or late in its wait; 0 while it waits.",
      MetricType::kGauge,
      {}};
  MetricFamily stalls_{"eventloop_stalls_total",
                       "Iterations longer than looptap_stall_threshold_seconds.",
                       MetricType::kCounter,
                       {}};
  MetricFamily waits_{"eventloop_waits_total", "Waits that have returned.", MetricType::kCounter, {}};
  MetricFamily events_{
      "eventloop_events_total", "Events that the waits have returned.", MetricType::kCounter, {}};
  MetricFamily thread_cpu_{"eventloop_thread_cpu_seconds_total",
                           "Time that the loop's thread has run on a CPU.",
                           MetricType::kCounter,
                           {}};
  MetricFamily thread_runqueue_{"eventloop_thread_runqueue_seconds_total",
                                "Time that the loop's thread was ready to run and got no CPU, or no quota.",
                                MetricType::kCounter,
                                {}};
};

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
