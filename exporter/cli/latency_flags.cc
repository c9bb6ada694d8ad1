#include "exporter/cli/latency_flags.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <stdexcept>

#include "exporter/cli/flag_values.h"

namespace looptap {

namespace {

// At least 12 ticks of 83 ms.
constexpr DurationRange kWindow = {
    "1s", "1h", "what was in it is kept in memory, for each loop (Prometheus keeps what is older)"};
constexpr DurationRange kStallThreshold = {"1ms", "1h", "histograms end at 4096 s"};
constexpr DurationRange kBound = {"0s", "1h", "histograms end at 4096 s"};
constexpr size_t kMaxBounds = 100;

std::vector<double> parse_quantiles(const std::string& text) {
  std::vector<double> quantiles;
  for (const std::string& part : split(text)) {
    double q = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), q);
    if (part.empty() || error != std::errc() || end != part.data() + part.size() || !(q >= 0 && q <= 1))
      throw std::invalid_argument("--latency.quantiles: \"" + part + "\" is not a number from 0 to 1");
    quantiles.push_back(q);
  }
  std::sort(quantiles.begin(), quantiles.end());
  if (std::adjacent_find(quantiles.begin(), quantiles.end()) != quantiles.end())
    throw std::invalid_argument("--latency.quantiles: a quantile is named twice");
  return quantiles;
}

Bounds parse_bounds(const std::string& text) {
  Bounds bounds;
  for (const std::string& part : split(text))
    bounds.push_back(parse_duration_flag("--latency.buckets", part, kBound));
  if (bounds.size() > kMaxBounds) throw std::invalid_argument("--latency.buckets: more than 100 bounds");
  if (bounds.front() == 0 || !std::is_sorted(bounds.begin(), bounds.end(), std::less_equal<>()))
    throw std::invalid_argument(
        "--latency.buckets: the bounds must be above 0 and grow from one to the next");
  return bounds;
}

}  // namespace

void LatencyFlags::declare(FlagSet& set) {
  set.add("--latency.window", window_, "DURATION", "what the summaries' quantiles cover");
  set.add("--latency.quantiles", quantiles_, "LIST", "the summaries' quantiles");
  set.add("--latency.buckets", buckets_, "LIST", "upper bounds of eventloop_latency_seconds");
  set.add("--stall.threshold", stall_threshold_, "DURATION", "iterations longer than this are stalls");
}

LatencyOptions LatencyFlags::check() const {
  LatencyOptions options;
  options.window_ns = parse_duration_flag("--latency.window", window_, kWindow);
  options.quantiles = parse_quantiles(quantiles_);
  options.bounds_ns = parse_bounds(buckets_);
  options.stall_threshold_ns = parse_duration_flag("--stall.threshold", stall_threshold_, kStallThreshold);
  return options;
}

}  // namespace looptap
