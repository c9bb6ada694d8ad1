// Which path answers what.
//
// The handler is thread-safe; what it throws becomes a 500 (web_server.h).
#pragma once

#include <functional>
#include <string>

#include "exporter/metrics/loop_collector.h"
#include "exporter/monitor/loop_monitor.h"
#include "exporter/web/web_server.h"

namespace looptap {

/// \param is_healthy what /-/healthy answers by; takes no lock, so that it answers where everything else hangs.
/// \param collector and monitor must outlive the handler, and what is_healthy refers to, too.
WebHandler make_routes(LoopCollector& collector, LoopMonitor& monitor, std::function<bool()> is_healthy,
                       const std::string& telemetry_path);

}  // namespace looptap
