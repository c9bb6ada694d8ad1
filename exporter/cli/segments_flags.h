// The flags --segments.*: where preloaded processes put their segments.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check(). Units: nanoseconds.
#pragma once

#include <cstdint>
#include <string>

#include "exporter/cli/command_parser.h"

namespace looptap {

struct SegmentsOptions {
  std::string directory;   ///< empty: neither a flag nor LOOPTAP_DIR names one, and there was no default
  uint64_t linger_ns = 0;  ///< for how long the dead are shown
  uint64_t max_loops = 0;  ///< that are shown at once
};

class SegmentsFlags {
 public:
  /// \param default_directory may be empty; then --help says `if_none` in its place.
  explicit SegmentsFlags(std::string default_directory, std::string if_none = "")
      : default_directory_(std::move(default_directory)), if_none_(std::move(if_none)) {}
  void declare(FlagSet& set);
  SegmentsOptions check() const;

 private:
  const std::string default_directory_, if_none_;
  std::string directory_;
  std::string linger_ = "30s";
  std::string max_loops_ = "10000";
};

}  // namespace looptap
