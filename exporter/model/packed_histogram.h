// Durations by bucket in as few bytes as will do, for the many that are kept and seldom read.
#pragma once

#include <string>

#include "exporter/model/loop_sample.h"

namespace looptap {

/// A DurationHistogram in a quarter of its memory or less. Not thread-safe.
class PackedHistogram {
 public:
  PackedHistogram() = default;
  explicit PackedHistogram(const DurationHistogram& histogram);

  /// Exactly what went in.
  DurationHistogram unpack() const;

 private:
  std::string bytes_;  // varints; empty: nothing was counted
};

}  // namespace looptap
