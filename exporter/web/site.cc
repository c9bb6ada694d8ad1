#include "exporter/web/site.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "exporter/metrics/exposition/exposition.h"
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

WebHandler make_site(LoopCollector& collector, LoopMonitor& monitor, const LoopsApiSettings& api,
                     const std::string& telemetry_path) {
  return [&collector, &monitor, api, telemetry_path](const WebRequest& request) {
    WebResponse response;
    if (request.path == telemetry_path) {
      const ExpositionFormat format = choose_format(request.accept);
      response.content_type = content_type(format);
      response.body = collector.collect(format);
    } else if (request.path == "/-/healthy") {
      response.body = "looptap is healthy\n";
    } else if (request.path == "/-/ready") {
      response.body = "looptap is ready\n";
    } else if (request.path == kLoopsPath) {
      LoopsDocument document(api);
      const auto add = [&](const LoopView& loop) { document.add(loop); };
      const MonitorTotals totals = monitor.visit([](const ProcessView&) {}, add);
      response = json_response(document.finish(totals));
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
