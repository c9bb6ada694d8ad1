#include "exporter/cli/segments_flags.h"

#include <cstdlib>

#include "exporter/cli/flag_values.h"

namespace looptap {

namespace {

constexpr DurationRange kLinger = {"0s", "24h",
                                   "every process that dies in it stays in memory and on /metrics"};

}  // namespace

void SegmentsFlags::declare(FlagSet& set) {
  set.add("--segments.dir", directory_, "DIR",
          "the segment directory [LOOPTAP_DIR, or " +
              (default_directory_.empty() ? if_none_ : default_directory_) + "]");
  set.add("--segments.linger", linger_, "DURATION", "how long a dead process' final figures are shown");
  set.add("--segments.max-loops", max_loops_, "NUMBER",
          "how many loops are shown at once; where there are more, each user has a fair share");
}

SegmentsOptions SegmentsFlags::check() const {
  SegmentsOptions options;
  options.directory = directory_;
  if (options.directory.empty())
    if (const char* environment = getenv("LOOPTAP_DIR")) options.directory = environment;
  if (options.directory.empty()) options.directory = default_directory_;
  options.linger_ns = parse_duration_flag("--segments.linger", linger_, kLinger);
  options.max_loops = parse_number("--segments.max-loops", max_loops_, 1'000'000);
  return options;
}

}  // namespace looptap
