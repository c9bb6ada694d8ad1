#include "exporter/cli/web_flags.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "exporter/cli/flag_values.h"

namespace looptap {

namespace {

std::string parse_telemetry_path(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char byte) {
    return isalnum(byte) || byte == '/' || byte == '-' || byte == '_' || byte == '.';
  });
  if (text.size() < 2 || text[0] != '/' || !plain || text.starts_with("/-/") || text.starts_with("/api/"))
    throw std::invalid_argument("--web.telemetry-path: \"" + text + "\" is not a path like /metrics");
  return text;
}

}  // namespace

void WebFlags::declare(FlagSet& set) {
  set.add("--web.listen-address", listen_addresses_, "ADDRESS",
          "HOST:PORT to listen on; repeatable; port 0 picks a free one [" + default_address_ + "]");
  set.add("--web.telemetry-path", telemetry_path_, "PATH", "where the metrics are");
  set.add("--web.max-connections", max_connections_, "NUMBER", "how many connections are served at once");
}

WebOptions WebFlags::check() const {
  WebOptions options;
  options.listen_addresses = listen_addresses_;
  if (options.listen_addresses.empty()) options.listen_addresses = {default_address_};
  options.telemetry_path = parse_telemetry_path(telemetry_path_);
  options.max_connections = parse_number("--web.max-connections", max_connections_, 1000);
  return options;
}

}  // namespace looptap
