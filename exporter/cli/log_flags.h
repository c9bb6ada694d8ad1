// The flags --log.*: what is said on stderr.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <string>

#include "exporter/base/log.h"
#include "exporter/cli/command_parser.h"

namespace looptap {

class LogFlags {
 public:
  void declare(FlagSet& set);
  LogLevel check() const;

 private:
  std::string level_ = "info";
};

}  // namespace looptap
