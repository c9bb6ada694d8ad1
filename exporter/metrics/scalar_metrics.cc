#include "exporter/metrics/scalar_metrics.h"

#include <algorithm>

namespace looptap {

LoopScalars loop_scalars(const LoopFigures& figures) {
  LoopScalars scalars;
  std::transform(std::begin(kLoopScalars), std::end(kLoopScalars), scalars.begin(),
                 [&](const LoopScalar& scalar) { return figures.*scalar.figure; });
  return scalars;
}

void aggregate_scalars(LoopFigures& all, const LoopFigures& loop) {
  for (const LoopScalar& scalar : kLoopScalars) {
    uint64_t& sum = all.*scalar.figure;
    const uint64_t more = loop.*scalar.figure;
    switch (scalar.aggregation) {
      case Aggregation::kSum:
        sum = sum_of(sum, more);
        break;
      case Aggregation::kMax:
        sum = std::max(sum, more);
        break;
      case Aggregation::kNone:
        sum = LoopFigures::kNotKnown;
        break;
    }
  }
}

double in_base_units(uint64_t figure, Unit unit) {
  const auto value = static_cast<double>(figure);
  return unit == Unit::kNanoseconds ? value * 1e-9 : value;
}

}  // namespace looptap
