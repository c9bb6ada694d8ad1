#include "exporter/metrics/loop_families.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "exporter/metrics/scalar_metrics.h"
#include "preload/segment_layout.h"

namespace looptap {

namespace {

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

constexpr int32_t kSchema = 5;
constexpr int32_t kFirstIndex = 1 - 20 * 32;  // Prometheus' number of bucket 0 of histogram_scheme.h

LabelNumbers label_numbers(const Bounds& bounds_ns) {
  LabelNumbers numbers;
  for (const uint64_t bound_ns : bounds_ns) numbers.emplace_back(in_base_units(bound_ns, Unit::kNanoseconds));
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

}  // namespace

/// One loop, or all loops of a process, as its series show it.
struct LoopFamilies::SeriesInput {
  uint64_t key;  // tells it from all others
  const LatencyDistribution& lifetime;
  const DurationHistogram &iterations, &wakeup_delays;
  const std::optional<DurationHistogram>& event_queue;
  const LoopFigures& figures;
};

/// The loops of a process taken together. Its series have no label that tells the loops apart, and since a thread may
/// run several of them, no figures of threads.
struct LoopFamilies::ProcessAggregate {
  LatencyDistribution lifetime{Observed(), LatencyDistribution::Use::kHistogram};
  LatencyDistribution recent{Observed()};
  DurationHistogram iterations, recent_iterations, wakeup_delays;
  std::optional<DurationHistogram> event_queue;  // of those that have one
  LoopFigures figures;

  ProcessAggregate(const ProcessSnapshot& process, const std::vector<double>& quantiles) {
    for (const LoopSnapshot& loop : process.loops) add(loop);
    for (const double q : quantiles) figures.latency_seconds.push_back(recent.quantile(q));
    figures.iteration_seconds = duration_quantiles(recent_iterations, quantiles);
  }

 private:
  void add(const LoopSnapshot& loop) {
    lifetime.add(LatencyDistribution(loop.sample, LatencyDistribution::Use::kHistogram));
    recent.add(LatencyDistribution(loop.window));
    iterations.add(loop.sample.iterations);
    recent_iterations.add(loop.window.iterations);
    wakeup_delays.add(loop.sample.wakeup_delays);
    if (loop.sample.event_queue) {
      if (!event_queue) event_queue.emplace();
      event_queue->add(*loop.sample.event_queue);
    }
    aggregate_scalars(figures, loop.figures);
  }
};

LoopFamilies::LoopFamilies(const CollectorSettings& settings, SeriesWriter& writer, MonotonicCounters& shown)
    : settings_(settings),
      writer_(writer),
      shown_(shown),
      latency_bounds_(label_numbers(settings.latency_bounds_ns)),
      latency_{
          "eventloop_latency_seconds",
          "What an event that arrives at a random instant waits until the loop next polls; one observation "
          "per millisecond observed.",
          MetricType::kHistogram,
          {}},
      latency_quantile_{"eventloop_latency_quantile_seconds",
                        "Quantiles of the loop latency over the sliding window.",
                        MetricType::kSummary,
                        {}},
      iteration_{"eventloop_iteration_seconds",
                 "Closed iterations: from the return of the last wait to the next wait.",
                 MetricType::kHistogram,
                 {}},
      iteration_quantile_{"eventloop_iteration_quantile_seconds",
                          "Quantiles of the iterations that closed in the sliding window.",
                          MetricType::kSummary,
                          {}},
      wakeup_delay_{"eventloop_wakeup_delay_seconds",
                    "How late waits that timed out have woken.",
                    MetricType::kHistogram,
                    {}},
      event_queue_{"eventloop_event_queue_seconds",
                   "How long the oldest event that a wait returned had been ready; one observation for "
                   "each wait that returned such.",
                   MetricType::kHistogram,
                   {}} {
  for (const LoopScalar& scalar : kLoopScalars)
    scalars_.push_back({scalar.name, scalar.help, scalar.type, {}});
}

void LoopFamilies::add(const ProcessSnapshot& process, const Snapshot& snapshot) {
  if (process.loops.empty()) return;
  LabelNumbers quantiles(snapshot.quantiles.begin(), snapshot.quantiles.end());
  if (settings_.aggregate_processes) {
    const ProcessAggregate all(process, snapshot.quantiles);
    writer_.set_labels({{"process", process.name}, {"pid", process.pid}});
    add_series({process.id, all.lifetime, all.iterations, all.wakeup_delays, all.event_queue, all.figures},
               quantiles);
    return;
  }
  for (const LoopSnapshot& loop : process.loops) {
    const LoopSample& sample = loop.sample;
    const std::string ordinal = std::to_string(sample.ordinal);
    writer_.set_labels(
        {{"process", process.name}, {"pid", process.pid}, {"loop", ordinal}, {"thread", sample.thread_name}});
    add_series({loop.id, LatencyDistribution(sample, LatencyDistribution::Use::kHistogram), sample.iterations,
                sample.wakeup_delays, sample.event_queue, loop.figures},
               quantiles);
  }
}

void LoopFamilies::move_to(std::vector<MetricFamily>& families) {
  for (MetricFamily* family :
       {&latency_, &latency_quantile_, &iteration_, &iteration_quantile_, &wakeup_delay_})
    families.push_back(std::move(*family));
  for (MetricFamily& family : scalars_) families.push_back(std::move(family));
  if (!event_queue_.series.empty()) families.push_back(std::move(event_queue_));
}

template <typename Histogram>
const NativeHistogram* LoopFamilies::native_of(const Histogram& histogram) {
  if (!writer_.has_natives()) return nullptr;
  set_native(native_, histogram);
  return &native_;
}

ClassicHistogram LoopFamilies::add_durations(MetricFamily& family, const DurationHistogram& durations,
                                             const Bounds& bounds_ns, const LabelNumbers& bounds) {
  ClassicHistogram histogram = duration_histogram(durations, bounds_ns);
  writer_.add_histogram(family, bounds, histogram.cumulative, histogram.sum_seconds, native_of(durations));
  return histogram;
}

void LoopFamilies::add_series(const SeriesInput& input, const LabelNumbers& quantiles) {
  LatencyHistogram latency = input.lifetime.histogram(settings_.latency_bounds_ns);
  LoopScalars scalars = loop_scalars(input.figures);
  shown_.clamp(input.key, latency, scalars);

  const ClassicHistogram lifetime = latency.classic(settings_.latency_bounds_ns);
  writer_.add_histogram(latency_, latency_bounds_, lifetime.cumulative, lifetime.sum_seconds,
                        native_of(latency));
  writer_.add_summary(latency_quantile_, quantiles, input.figures.latency_seconds, lifetime.cumulative.back(),
                      lifetime.sum_seconds);

  const ClassicHistogram iterations =
      add_durations(iteration_, input.iterations, kIterationBounds_ns, iteration_bounds());
  writer_.add_summary(iteration_quantile_, quantiles, input.figures.iteration_seconds,
                      iterations.cumulative.back(), iterations.sum_seconds);

  add_durations(wakeup_delay_, input.wakeup_delays, kWakeupDelayBounds_ns, wakeup_delay_bounds());
  if (input.event_queue)
    add_durations(event_queue_, *input.event_queue, kEventQueueBounds_ns, event_queue_bounds());

  for (size_t i = 0; i < std::size(kLoopScalars); i++) {
    if (scalars[i] != LoopFigures::kNotKnown)
      writer_.add_value(scalars_[i], in_base_units(scalars[i], kLoopScalars[i].unit));
  }
}

}  // namespace looptap
