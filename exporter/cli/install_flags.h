// The argument of `looptap install`.
//
// Thread-safety: none.
#pragma once

#include <string>

#include "exporter/cli/command_parser.h"

namespace looptap {

struct InstallOptions {
  std::string directory;
};

class InstallFlags {
 public:
  void declare(FlagSet& set) {
    set.add_argument("DIR", options_.directory, "a directory; made if only it is missing");
  }
  InstallOptions check() const { return options_; }

 private:
  InstallOptions options_;
};

}  // namespace looptap
