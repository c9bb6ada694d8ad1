#include "exporter/metrics/loop_families.h"

#include <algorithm>
#include <optional>
#include <string>

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
const Bounds kEventQueueBounds_ns = {100 * kMicrosecond_ns, 500 * kMicrosecond_ns, 1 * kMillisecond_ns,
                                     5 * kMillisecond_ns,   10 * kMillisecond_ns,  50 * kMillisecond_ns,
                                     100 * kMillisecond_ns, 500 * kMillisecond_ns, 1 * kSecond_ns,
                                     5 * kSecond_ns,        10 * kSecond_ns};

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

const LabelNumbers& event_queue_bounds() {
  static const LabelNumbers bounds = label_numbers(kEventQueueBounds_ns);
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
  native.buckets.resize(durations.buckets.size());
  std::transform(durations.buckets.begin(), durations.buckets.end(), native.buckets.begin(),
                 [](const DurationHistogram::Bucket& bucket) -> NativeHistogram::Bucket {
                   return {kFirstIndex + static_cast<int32_t>(bucket.index), bucket.count};
                 });
}

/// The figures that are numbers and add up.
struct Counts {
  uint64_t busy_ns = 0, wait_ns = 0, blocked_ns = 0, stalls = 0, waits = 0, events = 0;

  Counts() = default;
  Counts(const LoopView& loop, uint32_t stall_bound) {
    const TimeTotals totals = time_totals(loop.sample);
    busy_ns = totals.busy_ns();
    wait_ns = totals.wait_ns;
    blocked_ns = loop.blocked_ns;
    stalls = count_longer(loop.sample.iterations, totals.open_iteration_ns, stall_bound);
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

}  // namespace

/// One loop, or all loops of a process, as its series show it.
struct LoopFamilies::Subject {
  uint64_t key;  // tells it from all others
  const LatencyDistribution& lifetime;
  const std::vector<double>& latency_quantiles;  // of the window
  const DurationHistogram &iterations, &recent_iterations, &wakeup_delays;
  const std::optional<DurationHistogram>& event_queue;
  Counts counts;
  std::optional<ThreadFigures> figures;
};

/// The loops of a process taken together. Its series have no label that tells the loops apart, and since a thread may
/// run several of them, no figures of threads.
struct LoopFamilies::WholeProcess {
  uint64_t id;
  std::string name, pid;
  LatencyDistribution lifetime, recent;
  DurationHistogram iterations, recent_iterations, wakeup_delays;
  std::optional<DurationHistogram> event_queue;  // of those that have one
  Counts counts;

  explicit WholeProcess(const ProcessView& process)
      : id(process.id),
        name(process.name),
        pid(process.pid),
        lifetime(Observed(), LatencyDistribution::Use::kHistogram),
        recent(Observed()) {}

  void add(const LoopView& loop, uint32_t stall_bound) {
    lifetime.add(LatencyDistribution(loop.sample, LatencyDistribution::Use::kHistogram));
    recent.add(LatencyDistribution(loop.window));
    iterations.add(loop.sample.iterations);
    recent_iterations.add(loop.window.iterations);
    wakeup_delays.add(loop.sample.wakeup_delays);
    if (loop.sample.event_queue) {
      if (!event_queue) event_queue.emplace();
      event_queue->add(*loop.sample.event_queue);
    }
    counts.add(Counts(loop, stall_bound));
  }
};

LoopFamilies::LoopFamilies(const CollectorSettings& settings, uint32_t stall_bound, SeriesWriter& writer,
                           MonotonicCounters& shown)
    : settings_(settings), stall_bound_(stall_bound), writer_(writer), shown_(shown) {
  for (const double q : settings.quantiles) quantiles_.emplace_back(q);
  latency_bounds_ = label_numbers(settings.latency_bounds_ns);
}

LoopFamilies::~LoopFamilies() = default;

void LoopFamilies::add(const LoopView& loop) {
  if (settings_.aggregate_processes) {
    if (!whole_process_) whole_process_ = std::make_unique<WholeProcess>(loop.process);
    whole_process_->add(loop, stall_bound_);
    return;
  }
  const LoopSample& sample = loop.sample;
  const std::string ordinal = std::to_string(sample.ordinal);
  writer_.set_labels({{"process", loop.process.name},
                      {"pid", loop.process.pid},
                      {"loop", ordinal},
                      {"thread", sample.thread_name}});
  show({loop.id, LatencyDistribution(sample, LatencyDistribution::Use::kHistogram),
        latency_quantiles(loop.window, settings_.quantiles), sample.iterations, loop.window.iterations,
        sample.wakeup_delays, sample.event_queue, Counts(loop, stall_bound_), loop.figures});
}

void LoopFamilies::finish_process() {
  if (!whole_process_) return;
  const WholeProcess& whole = *whole_process_;
  writer_.set_labels({{"process", whole.name}, {"pid", whole.pid}});
  std::vector<double> quantiles;
  for (const double q : settings_.quantiles) quantiles.push_back(whole.recent.quantile(q));
  show({whole.id, whole.lifetime, quantiles, whole.iterations, whole.recent_iterations, whole.wakeup_delays,
        whole.event_queue, whole.counts, std::nullopt});
  whole_process_.reset();
}

void LoopFamilies::move_to(std::vector<MetricFamily>& families) {
  finish_process();
  for (MetricFamily* family :
       {&latency_, &latency_quantile_, &iteration_, &iteration_quantile_, &wakeup_delay_, &busy_, &wait_,
        &blocked_, &stalls_, &waits_, &events_, &thread_cpu_, &thread_runqueue_})
    families.push_back(std::move(*family));
  if (!event_queue_.series.empty()) families.push_back(std::move(event_queue_));
}

template <typename Histogram>
const NativeHistogram* LoopFamilies::native_of(const Histogram& histogram) {
  if (!writer_.has_natives()) return nullptr;
  set_native(native_, histogram);
  return &native_;
}

ClassicHistogram LoopFamilies::show_durations(MetricFamily& family, const DurationHistogram& durations,
                                              const Bounds& bounds_ns, const LabelNumbers& bounds) {
  ClassicHistogram histogram = duration_histogram(durations, bounds_ns);
  writer_.add_histogram(family, bounds, histogram.cumulative, histogram.sum_seconds, native_of(durations));
  return histogram;
}

void LoopFamilies::show(const Subject& subject) {
  IntervalCounters counters{subject.lifetime.histogram(settings_.latency_bounds_ns), subject.counts.busy_ns,
                            subject.counts.wait_ns, subject.counts.stalls};
  shown_.clamp(subject.key, counters);

  const ClassicHistogram lifetime = counters.latency.classic(settings_.latency_bounds_ns);
  writer_.add_histogram(latency_, latency_bounds_, lifetime.cumulative, lifetime.sum_seconds,
                        native_of(counters.latency));
  writer_.add_summary(latency_quantile_, quantiles_, subject.latency_quantiles, lifetime.cumulative.back(),
                      lifetime.sum_seconds);

  const ClassicHistogram iterations =
      show_durations(iteration_, subject.iterations, kIterationBounds_ns, iteration_bounds());
  writer_.add_summary(iteration_quantile_, quantiles_,
                      duration_quantiles(subject.recent_iterations, settings_.quantiles),
                      iterations.cumulative.back(), iterations.sum_seconds);

  show_durations(wakeup_delay_, subject.wakeup_delays, kWakeupDelayBounds_ns, wakeup_delay_bounds());
  if (subject.event_queue)
    show_durations(event_queue_, *subject.event_queue, kEventQueueBounds_ns, event_queue_bounds());

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

}  // namespace looptap
