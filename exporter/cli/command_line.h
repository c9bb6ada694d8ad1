// What the user asked for. CLI11 stays behind command_line.cc.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "exporter/inject/pod_injection.h"
#include "exporter/model/latency.h"
#include "exporter/sources/bpf/bpf_options.h"

namespace looptap {

/// What `serve` and `run` have in common: the exporter.
struct ExporterOptions {
  std::vector<std::string> listen_addresses;
  std::string telemetry_path;
  unsigned max_connections = 0;
  std::string segments_directory;  ///< empty: `run` makes a private one
  uint64_t linger_ns = 0;
  uint64_t window_ns = 0;
  std::vector<double> quantiles;
  Bounds latency_bounds_ns;
  uint64_t stall_threshold_ns = 0;
  bool aggregate_processes = false;
  BpfOptions bpf;  ///< of `serve` only
};

struct ServeCommand {
  ExporterOptions exporter;
  std::string install_directory;  ///< where liblooptap.so is put first; empty: nowhere
};
struct RunCommand {
  ExporterOptions exporter;
  std::vector<std::string> command;  ///< not empty
};
struct InstallCommand {
  std::string directory;
};
struct InjectCommand {
  std::string manifest;  ///< a path; "-": stdin
  InjectionOptions options;
};
/// --help, --version: the text is for stdout and nothing else is to be done.
struct Print {
  std::string text;
};

using Command = std::variant<ServeCommand, RunCommand, InstallCommand, InjectCommand, Print>;

/// Also sets the log level.
/// \throws std::invalid_argument with one clear line.
Command parse_command_line(int argc, char** argv);

}  // namespace looptap
