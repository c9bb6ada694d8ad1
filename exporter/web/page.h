// The page for people: files of page/, embedded in the program.
//
// A pure function: thread-safe. Nothing throws but for want of memory.
#pragma once

#include <optional>
#include <string>

#include "exporter/web/web_server.h"

namespace looptap {

/// The answer for `/` and what the page loads, which is under `/-/page/`; nothing for other paths.
/// \param telemetry_path is linked to; plain characters only (command_line.cc sees to it).
std::optional<WebResponse> page_response(const std::string& path, const std::string& telemetry_path);

}  // namespace looptap
