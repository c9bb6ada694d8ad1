#include "exporter/model/loop_figures.h"

#include <algorithm>
#include <limits>

#include "exporter/model/histogram_bounds.h"

namespace looptap {

namespace {

constexpr uint64_t kFrozen_ns = 1'000'000'000;
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

double ratio(uint64_t part, uint64_t whole) {
  return whole ? static_cast<double>(part) / static_cast<double>(whole) : kNotANumber;
}

uint64_t longest_ns(const DurationHistogram& iterations, uint64_t open_ns) {
  if (iterations.buckets.empty()) return open_ns;
  const auto& last = iterations.buckets.back();
  return std::max(open_ns, last.sum_ns ? last.sum_ns / last.count : bound_ns(last.index + 1));
}

uint64_t blocked_for_ns(const LoopSample& sample, const LoopContext& context) {
  if (!context.alive) return 0;
  // Stopped inside a wait: its deadline may be far, or none.
  const uint64_t stopped_ns = sample.activity == Activity::kDormant ? 0 : context.stopped_for_ns;
  return std::max(blocked_ns(sample), stopped_ns);
}

LoopState state_of(const LoopSample& sample, bool alive, uint64_t blocked_ns, uint32_t stall_bound) {
  if (!alive) return LoopState::kEnded;
  const uint64_t stall_ns = bound_ns(stall_bound);
  if (blocked_ns >= std::max(kFrozen_ns, stall_ns)) return LoopState::kFrozen;
  if (blocked_ns >= stall_ns) return LoopState::kBlocked;
  switch (sample.activity) {
    case Activity::kDormant:
      return LoopState::kDormant;
    case Activity::kWaiting:
      return LoopState::kWaiting;
    case Activity::kPolling:
    case Activity::kAway:
      break;
  }
  return LoopState::kBusy;
}

void set_latency(LoopFigures& figures, const Observed& window, const std::vector<double>& quantiles) {
  static const std::vector<double> kFixed = {0.5, 0.95, 0.99};
  const auto set_fixed = [&](const double* values) {
    figures.p50_seconds = values[0];
    figures.p95_seconds = values[1];
    figures.p99_seconds = values[2];
  };
  if (quantiles == kFixed) {
    figures.latency_seconds = latency_quantiles(window, quantiles);
    set_fixed(figures.latency_seconds.data());
    return;
  }
  // One distribution serves both.
  std::vector<double> all = quantiles;
  all.insert(all.end(), kFixed.begin(), kFixed.end());
  figures.latency_seconds = latency_quantiles(window, all);
  set_fixed(&figures.latency_seconds[quantiles.size()]);
  figures.latency_seconds.resize(quantiles.size());
}

}  // namespace

const char* name_of(LoopState state) {
  switch (state) {
    case LoopState::kEnded:
      return "ended";
    case LoopState::kDormant:
      return "dormant";
    case LoopState::kWaiting:
      return "waiting";
    case LoopState::kBusy:
      return "busy";
    case LoopState::kBlocked:
      return "blocked";
    case LoopState::kFrozen:
      return "frozen";
  }
  return "";
}

double LoopFigures::lifetime_utilization() const { return ratio(busy_ns, sum_of(busy_ns, wait_ns)); }

LoopFigures loop_figures(const LoopSample& sample, const Observed& window, const LoopContext& context,
                         const FigureSettings& settings) {
  const TimeTotals totals = time_totals(sample);
  LoopFigures figures;
  figures.busy_ns = totals.busy_ns();
  figures.wait_ns = totals.wait_ns;
  figures.stalls = count_longer(sample.iterations, totals.open_iteration_ns, settings.stall_bound);
  figures.waits = sample.waits;
  figures.events = sample.events;
  figures.iterations = sample.iterations.count();
  figures.longest_iteration_ns = longest_ns(sample.iterations, totals.open_iteration_ns);

  figures.blocked_ns = blocked_for_ns(sample, context);
  figures.state = state_of(sample, context.alive, figures.blocked_ns, settings.stall_bound);

  set_latency(figures, window, settings.quantiles);
  figures.iteration_seconds = duration_quantiles(window.iterations, settings.quantiles);
  const uint64_t observed = observed_ns(window);
  figures.iterations_per_second =
      observed ? static_cast<double>(window.iterations.count()) / (static_cast<double>(observed) / 1e9)
               : kNotANumber;

  figures.utilization = context.utilization;
  figures.thread_cpu_ns = context.thread_cpu_ns;
  figures.thread_runqueue_ns = context.thread_runqueue_ns;
  return figures;
}

}  // namespace looptap
