#include "exporter/site.h"

#include "exporter/build_info.h"
#include "exporter/exposition.h"

namespace looptap {

namespace {

WebResponse landing_page(const std::string& telemetry_path) {
  WebResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
      "charset=\"utf-8\"><title>looptap</title></head>\n<body>\n"
      "<h1>looptap " +
      std::string(build_version()) +
      "</h1>\n<p>Event-loop latency of unmodified programs.</p>\n<ul>\n<li><a href=\"" + telemetry_path +
      "\">Metrics</a></li>\n<li><a href=\"/-/healthy\">Health</a></li>\n"
      "<li><a href=\"/-/ready\">Readiness</a></li>\n</ul>\n</body></html>\n";
  return response;
}

}  // namespace

WebHandler make_site(LoopCollector& collector, const std::string& telemetry_path) {
  return [&collector, telemetry_path](const WebRequest& request) {
    WebResponse response;
    if (request.path == telemetry_path) {
      const ExpositionFormat format = choose_format(request.accept);
      response.content_type = content_type(format);
      response.body = serialize(collector.collect(format == ExpositionFormat::kProtobuf), format);
    } else if (request.path == "/-/healthy") {
      response.body = "looptap is healthy\n";
    } else if (request.path == "/-/ready") {
      response.body = "looptap is ready\n";
    } else if (request.path == "/") {
      response = landing_page(telemetry_path);
    } else {
      response.status = 404;
      response.body = "not found\n";
    }
    return response;
  };
}

}  // namespace looptap
