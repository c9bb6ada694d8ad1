#include "exporter/web/page.h"

#include <string_view>

#include "exporter/base/build_info.h"

// page/files.S
#define LOOPTAP_PAGE_FILE(name) extern "C" const char looptap_page_##name[], looptap_page_##name##_end[]
LOOPTAP_PAGE_FILE(index_html);
LOOPTAP_PAGE_FILE(page_css);
LOOPTAP_PAGE_FILE(page_js);
LOOPTAP_PAGE_FILE(charts_js);
LOOPTAP_PAGE_FILE(icon_svg);
LOOPTAP_PAGE_FILE(uplot_css);
LOOPTAP_PAGE_FILE(uplot_js);
LOOPTAP_PAGE_FILE(uplot_license);
#undef LOOPTAP_PAGE_FILE

namespace looptap {

namespace {

struct File {
  std::string_view path;
  const char* content_type;
  const char *begin, *end;
};

const File kFiles[] = {
    {"/", "text/html; charset=utf-8", looptap_page_index_html, looptap_page_index_html_end},
    {"/-/page/page.css", "text/css; charset=utf-8", looptap_page_page_css, looptap_page_page_css_end},
    {"/-/page/page.js", "text/javascript; charset=utf-8", looptap_page_page_js, looptap_page_page_js_end},
    {"/-/page/charts.js", "text/javascript; charset=utf-8", looptap_page_charts_js,
     looptap_page_charts_js_end},
    {"/-/page/icon.svg", "image/svg+xml", looptap_page_icon_svg, looptap_page_icon_svg_end},
    {"/-/page/uplot.css", "text/css; charset=utf-8", looptap_page_uplot_css, looptap_page_uplot_css_end},
    {"/-/page/uplot.js", "text/javascript; charset=utf-8", looptap_page_uplot_js, looptap_page_uplot_js_end},
    {"/-/page/uplot.license", "text/plain; charset=utf-8", looptap_page_uplot_license,
     looptap_page_uplot_license_end},
};

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

}  // namespace

std::optional<WebResponse> page_response(const std::string& path, const std::string& telemetry_path) {
  for (const File& file : kFiles) {
    if (path != file.path) continue;
    WebResponse response;
    response.content_type = file.content_type;
    response.body.assign(file.begin, file.end);
    if (path == "/") {
      replace_all(response.body, "@TELEMETRY_PATH@", telemetry_path);
      replace_all(response.body, "@VERSION@", build_version());
    }
    return response;
  }
  return std::nullopt;
}

}  // namespace looptap
