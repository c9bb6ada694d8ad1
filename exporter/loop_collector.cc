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

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

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

using Labels = std::vector<ClientMetric::Label>;

constexpr int32_t kSchema = 5;
constexpr int32_t kFirstIndex = 1 - 20 * 32;  // Prometheus' number of bucket 0 of histogram_scheme.h

NativeHistogram native_of(const LatencyHistogram& latency) {
  NativeHistogram native{kSchema, bound_seconds(LOOPTAP_FIRST_SUMMED), latency.zero_count, {}};
  for (size_t i = 0; i < latency.counts.size(); i++)
    if (latency.counts[i])
      native.buckets.push_back(
          {kFirstIndex + LOOPTAP_FIRST_SUMMED + static_cast<int32_t>(i), latency.counts[i]});
  return native;
}

NativeHistogram native_of(const DurationHistogram& durations) {
  NativeHistogram native{kSchema, bound_seconds(0), durations.zero_count, {}};
  for (const auto& bucket : durations.buckets)
    native.buckets.push_back({kFirstIndex + static_cast<int32_t>(bucket.index), bucket.count});
  return native;
}

/// A family under construction.
class Family {
 public:
  Family(std::string name, std::string help, MetricType type) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }

  void value(const Labels& labels, double value) {
    ClientMetric& metric = add(labels);
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  }

  void histogram(const Labels& labels, const Bounds& bounds_ns, const ClassicHistogram& from) {
    ClientMetric& metric = add(labels);
    metric.histogram.sample_count = from.cumulative.back();
    metric.histogram.sample_sum = from.sum_seconds;
    for (size_t i = 0; i < bounds_ns.size(); i++)
      metric.histogram.bucket.push_back({from.cumulative[i], seconds(bounds_ns[i])});
    metric.histogram.bucket.push_back({from.cumulative.back(), std::numeric_limits<double>::infinity()});
  }

  /// `count` and `sum` are those of the loop's whole life, as a counter's must be.
  template <typename QuantileOf>
  void summary(const Labels& labels, const std::vector<double>& quantiles, uint64_t count, double sum,
               QuantileOf quantile_of) {
    ClientMetric& metric = add(labels);
    metric.summary.sample_count = count;
    metric.summary.sample_sum = sum;
    for (const double q : quantiles) metric.summary.quantile.push_back({q, quantile_of(q)});
  }

  /// Of the metric that was added last.
  void native(NativeHistogram native) { natives_.emplace(family_.metric.size() - 1, std::move(native)); }

  void move_to(Exposition& exposition) {
    for (auto& [metric, native] : natives_)
      exposition.natives.emplace(std::make_pair(exposition.families.size(), metric), std::move(native));
    exposition.families.push_back(std::move(family_));
  }

 private:
  ClientMetric& add(const Labels& labels) {
    ClientMetric& metric = family_.metric.emplace_back();
    metric.label = labels;
    return metric;
  }
  MetricFamily family_;
  std::map<size_t, NativeHistogram> natives_;
};

/// One loop, or all loops of a process, as its series show it.
struct Subject {
  Labels labels;
  uint64_t key;  // tells it from all others
  LatencyDistribution lifetime, recent;
  DurationHistogram iterations, recent_iterations, wakeup_delays;
  uint64_t busy_ns, wait_ns, blocked_ns, stalls, waits, events;
  std::optional<ThreadFigures> figures;

  Subject(const LoopView& loop, uint32_t stall_bound)
      : labels{{"process", loop.process.name},
               {"pid", loop.process.pid},
               {"loop", std::to_string(loop.sample.ordinal)},
               {"thread", loop.sample.thread_name}},
        key(loop.id),
        lifetime(lifetime_of(loop.sample)),
        recent(loop.window),
        iterations(loop.sample.iterations),
        recent_iterations(loop.window.iterations),
        wakeup_delays(loop.sample.wakeup_delays),
        blocked_ns(loop.blocked_ns),
        waits(loop.sample.waits),
        events(loop.sample.events),
        figures(loop.figures) {
    const Reckoning reckoning = reckon(loop.sample);
    busy_ns = reckoning.busy_ns();
    wait_ns = reckoning.wait_ns;
    stalls = count_longer(iterations, reckoning.open_iteration_ns, stall_bound);
  }

  /// The series lose what tells the loops apart. A thread may run several of them, so its figures go, too.
  void become(const ProcessView& process) {
    labels = {{"process", process.name}, {"pid", process.pid}};
    key = process.id;
    figures.reset();
  }
  void add(const Subject& other) {
    lifetime.add(other.lifetime);
    recent.add(other.recent);
    iterations.add(other.iterations);
    recent_iterations.add(other.recent_iterations);
    wakeup_delays.add(other.wakeup_delays);
    busy_ns += other.busy_ns;
    wait_ns += other.wait_ns;
    blocked_ns = std::max(blocked_ns, other.blocked_ns);
    stalls += other.stalls;
    waits += other.waits;
    events += other.events;
  }
};

/// The series of loops (or of processes, where those are asked for), one subject at a time: a thousand subjects take
/// 30 MB.
class LoopFamilies {
 public:
  LoopFamilies(const CollectorSettings& settings, uint32_t stall_bound, bool with_natives,
               ShownCounters& shown)
      : settings_(settings), stall_bound_(stall_bound), with_natives_(with_natives), shown_(shown) {}

  void add(const LoopView& loop) {
    Subject subject(loop, stall_bound_);
    if (!settings_.aggregate_processes) {
      show(subject);
    } else if (whole_process_) {
      whole_process_->add(subject);
    } else {
      subject.become(loop.process);
      whole_process_.emplace(std::move(subject));
    }
  }
  /// There are no more loops of the process that the last ones were of.
  void finish_process() {
    if (whole_process_) show(*whole_process_);
    whole_process_.reset();
  }
  void move_to(Exposition& exposition) {
    finish_process();
    for (Family* family :
         {&latency_, &latency_quantile_, &iteration_, &iteration_quantile_, &wakeup_delay_, &busy_, &wait_,
          &blocked_, &stalls_, &waits_, &events_, &thread_cpu_, &thread_runqueue_})
      family->move_to(exposition);
  }

 private:
  void show(const Subject& subject) {
    const Labels& labels = subject.labels;
    IntervalCounters counters{subject.lifetime.histogram(settings_.latency_bounds_ns), subject.busy_ns,
                              subject.wait_ns, subject.stalls};
    shown_.never_less(subject.key, counters);

    const ClassicHistogram lifetime = counters.latency.classic(settings_.latency_bounds_ns);
    latency_.histogram(labels, settings_.latency_bounds_ns, lifetime);
    if (with_natives_) latency_.native(native_of(counters.latency));
    latency_quantile_.summary(labels, settings_.quantiles, lifetime.cumulative.back(), lifetime.sum_seconds,
                              [&](double q) { return subject.recent.quantile(q); });

    const ClassicHistogram iterations = duration_histogram(subject.iterations, kIterationBounds_ns);
    iteration_.histogram(labels, kIterationBounds_ns, iterations);
    if (with_natives_) iteration_.native(native_of(subject.iterations));
    iteration_quantile_.summary(labels, settings_.quantiles, iterations.cumulative.back(),
                                iterations.sum_seconds,
                                [&](double q) { return duration_quantile(subject.recent_iterations, q); });
    wakeup_delay_.histogram(labels, kWakeupDelayBounds_ns,
                            duration_histogram(subject.wakeup_delays, kWakeupDelayBounds_ns));
    if (with_natives_) wakeup_delay_.native(native_of(subject.wakeup_delays));

    busy_.value(labels, seconds(counters.busy_ns));
    wait_.value(labels, seconds(counters.wait_ns));
    blocked_.value(labels, seconds(subject.blocked_ns));
    stalls_.value(labels, static_cast<double>(counters.stalls));
    waits_.value(labels, static_cast<double>(subject.waits));
    events_.value(labels, static_cast<double>(subject.events));
    if (subject.figures) {
      thread_cpu_.value(labels, subject.figures->cpu_seconds);
      thread_runqueue_.value(labels, subject.figures->runqueue_seconds);
    }
  }

  const CollectorSettings& settings_;
  const uint32_t stall_bound_;
  const bool with_natives_;
  ShownCounters& shown_;
  std::optional<Subject> whole_process_;  // all of its loops so far

  Family latency_{
      "eventloop_latency_seconds",
      "What an event that arrives at a random instant waits until the loop next polls; one observation "
      "per millisecond observed.",
      MetricType::Histogram};
  Family latency_quantile_{"eventloop_latency_quantile_seconds",
                           "Quantiles of the loop latency over the sliding window.", MetricType::Summary};
  Family iteration_{"eventloop_iteration_seconds",
                    "Closed iterations: from the return of the last wait to the next wait.",
                    MetricType::Histogram};
  Family iteration_quantile_{"eventloop_iteration_quantile_seconds",
                             "Quantiles of the iterations that closed in the sliding window.",
                             MetricType::Summary};
  Family wakeup_delay_{"eventloop_wakeup_delay_seconds", "How late waits that timed out have woken.",
                       MetricType::Histogram};
  Family busy_{"eventloop_busy_seconds_total", "Time away from waiting, and in waits with timeout 0.",
               MetricType::Counter};
  Family wait_{"eventloop_wait_seconds_total", "Time in waits that may sleep.", MetricType::Counter};
  Family blocked_{"eventloop_blocked_seconds",
                  "How long the loop has now been away from waiting, or late in its wait; 0 while it waits.",
                  MetricType::Gauge};
  Family stalls_{"eventloop_stalls_total", "Iterations longer than looptap_stall_threshold_seconds.",
                 MetricType::Counter};
  Family waits_{"eventloop_waits_total", "Waits that have returned.", MetricType::Counter};
  Family events_{"eventloop_events_total", "Events that the waits have returned.", MetricType::Counter};
  Family thread_cpu_{"eventloop_thread_cpu_seconds_total", "Time that the loop's thread has run on a CPU.",
                     MetricType::Counter};
  Family thread_runqueue_{"eventloop_thread_runqueue_seconds_total",
                          "Time that the loop's thread was ready to run and got no CPU, or no quota.",
                          MetricType::Counter};
};

class ProcessFamilies {
 public:
  void add(const ProcessView& process) {
    if (!process.alive) return;
    const Labels labels = {{"process", process.name}, {"pid", process.pid}};
    Labels with_namespace = labels;
    with_namespace.push_back({"pid_namespace", std::to_string(process.pid_namespace)});
    info_.value(with_namespace, 1);
    if (!process.figures) return;
    cpu_.value(labels, process.figures->cpu_seconds);
    memory_.value(labels, static_cast<double>(process.figures->resident_bytes));
    start_.value(labels, process.figures->start_time_seconds);
  }
  void move_to(Exposition& exposition) {
    for (Family* family : {&info_, &cpu_, &memory_, &start_}) family->move_to(exposition);
  }

 private:
  Family info_{"eventloop_process_info", "The living processes and their PID namespaces; always 1.",
               MetricType::Gauge};
  Family cpu_{"eventloop_process_cpu_seconds_total", "CPU time of the process, in user and system mode.",
              MetricType::Counter};
  Family memory_{"eventloop_process_resident_memory_bytes", "Resident memory of the process.",
                 MetricType::Gauge};
  Family start_{"eventloop_process_start_time_seconds", "When the process started, since the Unix epoch.",
                MetricType::Gauge};
};

void collect_exporter(const MonitorTotals& totals, uint32_t stall_bound, double last_scrape_seconds,
                      Exposition& exposition) {
  const auto single = [&](const char* name, const char* help, MetricType type, double value) {
    Family family(name, help, type);
    family.value({}, value);
    family.move_to(exposition);
  };
  Family build("looptap_build_info", "The exporter's version, revision and layout of segments; always 1.",
               MetricType::Gauge);
  build.value({{"version", build_version()},
               {"revision", build_revision()},
               {"layout", std::to_string(LOOPTAP_LAYOUT_VERSION)}},
              1);
  build.move_to(exposition);

  Family segments("looptap_segments", "Segments shown, by whether their process lives.", MetricType::Gauge);
  segments.value({{"state", "live"}}, static_cast<double>(totals.live_processes));
  segments.value({{"state", "ended"}}, static_cast<double>(totals.ended_processes));
  segments.move_to(exposition);

  Family rejected("looptap_rejected_segments_total",
                  "Files in the segment directory that were refused, by reason.", MetricType::Counter);
  for (const Rejection why : kRejections) {
    const auto count = totals.losses.rejected.find(why);
    rejected.value({{"reason", name_of(why)}},
                   count == totals.losses.rejected.end() ? 0 : static_cast<double>(count->second));
  }
  rejected.move_to(exposition);

  single("looptap_dropped_loops_total", "Loops that found no slot in their segment.", MetricType::Counter,
         static_cast<double>(totals.losses.dropped_loops));
  single("looptap_inconsistent_reads_total",
         "Samples that could not be taken and were replaced by the one before.", MetricType::Counter,
         static_cast<double>(totals.losses.inconsistent_reads));
  single("looptap_deaths_in_stall_total",
         "Processes that died without exiting while a loop of theirs had been away for longer than the "
         "threshold.",
         MetricType::Counter, static_cast<double>(totals.deaths_in_stall));
  single("looptap_unremovable_segments", "Segments of dead processes that the exporter may not remove.",
         MetricType::Gauge, static_cast<double>(totals.losses.unremovable));
  single("looptap_stall_threshold_seconds",
         "The stall threshold in use: the bucket bound nearest to the one asked for.", MetricType::Gauge,
         bound_seconds(stall_bound));
  single("looptap_last_scrape_duration_seconds", "How long the scrape before this one took to collect.",
         MetricType::Gauge, last_scrape_seconds);
}

}  // namespace

LoopCollector::LoopCollector(LoopMonitor& monitor, CollectorSettings settings)
    : monitor_(monitor),
      settings_(std::move(settings)),
      stall_bound_(nearest_bound(settings_.stall_threshold_ns)) {}

Exposition LoopCollector::collect(bool with_natives) {
  const auto start = std::chrono::steady_clock::now();
  Exposition exposition;
  // One at a time: the older of two looks must not be shown after the younger.
  std::lock_guard lock(mutex_);
  LoopFamilies loops(settings_, stall_bound_, with_natives, shown_);
  ProcessFamilies processes;
  const MonitorTotals totals = monitor_.visit(
      [&](const ProcessView& process) {
        loops.finish_process();
        processes.add(process);
      },
      [&](const LoopView& loop) { loops.add(loop); });
  loops.move_to(exposition);
  shown_.forget_others();
  processes.move_to(exposition);
  collect_exporter(totals, stall_bound_, last_scrape_seconds_, exposition);
  last_scrape_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return exposition;
}

}  // namespace looptap
