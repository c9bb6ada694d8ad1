// The flags --web.*: where the exporter serves.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <string>
#include <vector>

#include "exporter/cli/command_parser.h"

namespace looptap {

struct WebOptions {
  std::vector<std::string> listen_addresses;  ///< HOST:PORT, as they were written; not empty
  std::string telemetry_path;                 ///< such as /metrics
  unsigned max_connections = 0;
};

class WebFlags {
 public:
  /// \param max_connections each is a thread from the start.
  WebFlags(std::string default_address, unsigned max_connections)
      : default_address_(std::move(default_address)), max_connections_(std::to_string(max_connections)) {}
  void declare(FlagSet& set);
  WebOptions check() const;

 private:
  const std::string default_address_;
  std::vector<std::string> listen_addresses_;
  std::string telemetry_path_ = "/metrics";
  std::string max_connections_;
};

}  // namespace looptap
