// The flags that every command with an exporter has.
//
// Thread-safety: none. Errors: std::invalid_argument with one line, from check().
#pragma once

#include <string>

#include "exporter/base/log.h"
#include "exporter/cli/latency_flags.h"
#include "exporter/cli/log_flags.h"
#include "exporter/cli/metrics_flags.h"
#include "exporter/cli/segments_flags.h"
#include "exporter/cli/web_flags.h"
#include "exporter/sources/bpf/bpf_options.h"

namespace looptap {

struct ExporterOptions {
  WebOptions web;
  SegmentsOptions segments;
  LatencyOptions latency;
  MetricsOptions metrics;
  LogLevel log_level = LogLevel::kInfo;
  BpfOptions bpf = {};  ///< no targets, unless the command has flags for them
};

class ExporterFlags {
 public:
  ExporterFlags(WebFlags web, SegmentsFlags segments)
      : web_(std::move(web)), segments_(std::move(segments)) {}
  void declare(FlagSet& set);
  ExporterOptions check() const;

 private:
  WebFlags web_;
  SegmentsFlags segments_;
  LatencyFlags latency_;
  MetricsFlags metrics_;
  LogFlags log_;
};

}  // namespace looptap
