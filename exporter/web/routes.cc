#include "exporter/web/routes.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "exporter/metrics/exposition/exposition.h"
#include "exporter/web/loops_api.h"
#include "exporter/web/page.h"

namespace looptap {

namespace {

const std::string kLoopsPath = "/api/v1/loops";

/// N of "/api/v1/loops/N/history".
std::optional<uint64_t> history_wanted(std::string_view path) {
  constexpr std::string_view kEnd = "/history";
  if (!path.starts_with(kLoopsPath + '/') || !path.ends_with(kEnd)) return std::nullopt;
  path.remove_prefix(kLoopsPath.size() + 1);
  if (path.size() <= kEnd.size()) return std::nullopt;
  path.remove_suffix(kEnd.size());
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), id);
  if (error != std::errc() || end != path.data() + path.size()) return std::nullopt;
  return id;
}

WebResponse not_found() {
  WebResponse response;
  response.status = 404;
  response.body = "not found\n";
  return response;
}

WebResponse json_response(std::string body) {
  WebResponse response;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

}  // namespace

WebHandler make_routes(LoopCollector& collector, LoopMonitor& monitor, std::function<bool()> is_healthy,
                       const std::string& telemetry_path) {
  return [&collector, &monitor, is_healthy = std::move(is_healthy),
          telemetry_path](const WebRequest& request) {
    WebResponse response;
    if (request.path == telemetry_path) {
      const ExpositionFormat format = choose_format(request.accept);
      response.content_type = content_type(format);
      response.body = collector.collect(format);
    } else if (request.path == "/-/healthy") {
      const bool healthy = is_healthy();
      response.status = healthy ? 200 : 503;
      response.body = healthy ? "looptap is healthy\n" : "looptap hangs: its monitor has not run for 10 s\n";
    } else if (request.path == "/-/ready") {
      response.body = "looptap is ready\n";
    } else if (request.path == kLoopsPath) {
      response = json_response(loops_json(monitor.snapshot()));
    } else if (const auto id = history_wanted(request.path)) {
      const auto columns = monitor.history(*id);
      response = columns ? json_response(history_json(*columns)) : not_found();
    } else {
      response = page_response(request.path, telemetry_path).value_or(not_found());
    }
    return response;
  };
}

}  // namespace looptap
