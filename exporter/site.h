// The pages that looptap serves.
#pragma once

#include <string>

#include "exporter/loop_collector.h"
#include "exporter/web_server.h"

namespace looptap {

/// \param collector must outlive the handler.
WebHandler make_site(LoopCollector& collector, const std::string& telemetry_path);

}  // namespace looptap
