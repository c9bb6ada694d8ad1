// The pages that looptap serves.
#pragma once

#include <string>

#include "exporter/metrics/loop_collector.h"
#include "exporter/monitor/loop_monitor.h"
#include "exporter/web/loops_api.h"
#include "exporter/web/web_server.h"

namespace looptap {

/// \param collector and monitor must outlive the handler.
WebHandler make_site(LoopCollector& collector, LoopMonitor& monitor, const LoopsApiSettings& api,
                     const std::string& telemetry_path);

}  // namespace looptap
