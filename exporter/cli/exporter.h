// The exporter as a whole: sources, monitor, collector and server.
//
// Thread-safety: make and destroy it in one thread; it has threads of its own. Errors: see the constructor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exporter/cli/exporter_flags.h"
#include "exporter/metrics/loop_collector.h"
#include "exporter/monitor/loop_monitor.h"
#include "exporter/monitor/monitor_thread.h"
#include "exporter/web/web_server.h"

namespace looptap {

class Exporter {
 public:
  /// Serves from now on. Says on stderr where (`looptap: metrics on http://...`).
  /// \throws std::invalid_argument for what the user wrote wrongly, std::runtime_error for what fails;
  /// both with one clear line.
  explicit Exporter(const ExporterOptions& options);

  LoopMonitor& monitor() { return monitor_; }

 private:
  struct Sources {
    std::vector<std::unique_ptr<LoopSource>> all;
    std::string bpf_hook;  // empty: no BPF
  };
  static Sources make_sources(const ExporterOptions& options);
  Exporter(const ExporterOptions& options, Sources sources);

  LoopMonitor monitor_;
  MonitorThread thread_;
  LoopCollector collector_;
  WebServer server_;
};

}  // namespace looptap
