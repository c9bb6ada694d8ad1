// The exporter as a whole: monitor, collector and server.
#pragma once

#include <string>

#include "exporter/command_line.h"
#include "exporter/loop_collector.h"
#include "exporter/loop_monitor.h"
#include "exporter/web_server.h"

namespace looptap {

class Exporter {
 public:
  /// Serves from now on. Says on stderr where (`looptap: metrics on http://...`).
  /// \throws std::invalid_argument for what the user wrote wrongly, std::runtime_error for what fails;
  /// both with one clear line.
  explicit Exporter(const ExporterOptions& options);

  LoopMonitor& monitor() { return monitor_; }

 private:
  LoopMonitor monitor_;
  LoopCollector collector_;
  WebServer server_;
};

}  // namespace looptap
