// The flags --bpf.*: which running processes eBPF measures, and how.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <string>
#include <vector>

#include "exporter/cli/command_parser.h"
#include "exporter/sources/bpf/bpf_options.h"

namespace looptap {

class BpfFlags {
 public:
  BpfFlags();
  void declare(FlagSet& set);
  BpfOptions check() const;

 private:
  std::vector<std::string> targets_;
  std::string hook_, max_loops_;
  bool event_queue_ = false;
  bool include_preloaded_ = false;
};

}  // namespace looptap
