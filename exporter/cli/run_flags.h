// The flags of `looptap run`.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <string>
#include <vector>

#include "exporter/cli/exporter_flags.h"

namespace looptap {

struct RunOptions {
  ExporterOptions exporter;          ///< without a segment directory: `run` makes a private one
  std::vector<std::string> command;  ///< not empty
};

class RunFlags {
 public:
  void declare(FlagSet& set);
  RunOptions check() const { return {exporter_.check(), command_}; }

 private:
  // One page and one scraper; the program's limits of processes hold for our threads, too.
  static constexpr unsigned kMaxConnections = 8;
  ExporterFlags exporter_{WebFlags("127.0.0.1:0", kMaxConnections), SegmentsFlags("", "a private one")};
  std::vector<std::string> command_;
};

}  // namespace looptap
