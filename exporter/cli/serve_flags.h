// The flags of `looptap serve`.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <optional>
#include <string>

#include "exporter/cli/bpf_flags.h"
#include "exporter/cli/exporter_flags.h"

namespace looptap {

struct ServeOptions {
  ExporterOptions exporter;
  std::string install_directory;  ///< where liblooptap.so is put first; empty: nowhere
};

class ServeFlags {
 public:
  void declare(FlagSet& set);
  ServeOptions check() const;

 private:
  ExporterFlags exporter_{WebFlags(":10064", 128), SegmentsFlags("/dev/shm/looptap")};
  std::optional<std::string> install_directory_;
  BpfFlags bpf_;
};

}  // namespace looptap
