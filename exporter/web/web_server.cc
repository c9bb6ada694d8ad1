#include "exporter/web/web_server.h"

#include <arpa/inet.h>
#include <civetweb.h>

#include <charconv>
#include <cstring>
#include <stdexcept>

#include "exporter/base/limited_log.h"
#include "exporter/base/log.h"
#include "exporter/self/own_metrics.h"
#include "exporter/web/gzip.h"

namespace looptap {

namespace {

constexpr size_t kWorthCompressing = 1000;  // bytes

struct ListenAddress {
  std::string host;  // dotted; "0.0.0.0" for every address
  int port;
};

ListenAddress parse_listen_address(const std::string& text) {
  const auto refuse = [&](const char* why) -> std::invalid_argument {
    return std::invalid_argument("bad listen address \"" + text + "\": " + why);
  };
  if (text.find('[') != std::string::npos || text.find(':') != text.rfind(':'))
    throw refuse("IPv6 is not supported (the packaged civetweb is built without it)");
  const auto colon = text.find(':');
  if (colon == std::string::npos) throw refuse("it must be HOST:PORT or :PORT");
  ListenAddress address{text.substr(0, colon), 0};
  const char* first = text.data() + colon + 1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(first, last, address.port);
  if (first == last || error != std::errc() || end != last || address.port < 0 || address.port > 65535)
    throw refuse("the port must be a number from 0 to 65535");
  if (address.host.empty()) address.host = "0.0.0.0";
  if (address.host == "localhost") address.host = "127.0.0.1";
  in_addr parsed;
  if (inet_pton(AF_INET, address.host.c_str(), &parsed) != 1)
    throw refuse("the host must be an IPv4 address");
  return address;
}

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

std::string header(mg_connection* connection, const char* name) {
  const char* value = mg_get_header(connection, name);
  return value ? value : "";
}

void send(mg_connection* connection, const WebResponse& response, bool with_body) {
  const bool compress =
      response.body.size() >= kWorthCompressing && accepts_gzip(header(connection, "Accept-Encoding"));
  const std::string compressed = compress ? gzip(response.body) : "";
  const std::string& body = compress ? compressed : response.body;
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\n"
            "Content-Type: %s\r\n"
            "Content-Length: %zu\r\n"
            "Vary: Accept, Accept-Encoding\r\n"
            "%s%s"
            "Connection: close\r\n\r\n",
            response.status, reason_phrase(response.status), response.content_type.c_str(), body.size(),
            compress ? "Content-Encoding: gzip\r\n" : "",
            response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (with_body) mg_write(connection, body.data(), body.size());
}

}  // namespace

struct WebServer::Civetweb {
  WebHandler handler;
  mg_context* context = nullptr;
  std::string complaint;  // the first one while it starts
  bool started = false;

  static int begin_request(mg_connection* connection) {
    const mg_request_info* info = mg_get_request_info(connection);
    auto* self = static_cast<Civetweb*>(info->user_data);
    const std::string method = info->request_method ? info->request_method : "";
    WebResponse response;
    if (method != "GET" && method != "HEAD") {
      response.status = 405;
      response.body = "only GET and HEAD\n";
    } else {
      try {
        response = self->handler({info->local_uri ? info->local_uri : "/", header(connection, "Accept")});
      } catch (const std::exception& error) {
        self::errors("http").increment();
        static LimitedLog failures(LogLevel::kError, "requests that failed");
        failures.write(std::string("a request failed: ") + error.what());
        response.status = 500;
        response.body = "internal error; see the log\n";
      }
    }
    send(connection, response, method != "HEAD");
    return response.status;  // handled: civetweb itself serves nothing
  }

  static int log_message(const mg_connection* connection, const char* message) {
    const mg_context* context = mg_get_context(connection);
    auto* self = static_cast<Civetweb*>(context ? mg_get_user_data(context) : nullptr);
    if (self && !self->started && self->complaint.empty()) self->complaint = message;
    log(LogLevel::kDebug, std::string("civetweb: ") + message);
    return 1;  // it need not write it itself
  }
};

WebServer::WebServer(const std::vector<std::string>& addresses, unsigned max_connections, WebHandler handler)
    : civetweb_(std::make_unique<Civetweb>()) {
  std::string ports;
  for (const std::string& text : addresses) {
    const ListenAddress address = parse_listen_address(text);
    if (!ports.empty()) ports += ',';
    ports += address.host + ":" + std::to_string(address.port);
    reachable_at_.push_back(address.host == "0.0.0.0" ? "127.0.0.1" : address.host);
  }
  self::errors("http");  // there from the start, at 0
  civetweb_->handler = std::move(handler);

  // A worker serves one connection at a time, a silent one until it times out: as many workers as connections. One
  // that has nothing to do costs 20 KiB and no time.
  const std::string workers = std::to_string(max_connections);
  const char* options[] = {
      "listening_ports",   ports.c_str(), "num_threads", workers.c_str(), "request_timeout_ms", "3000",
      "enable_keep_alive", "no",          nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = &Civetweb::begin_request;
  callbacks.log_message = &Civetweb::log_message;
  mg_init_library(0);
  civetweb_->context = mg_start(&callbacks, civetweb_.get(), options);
  if (!civetweb_->context)
    throw std::runtime_error(
        "cannot listen on " + ports + ": " +
        (civetweb_->complaint.empty() ? "civetweb does not say why" : civetweb_->complaint));
  civetweb_->started = true;

  std::vector<mg_server_port> actual(addresses.size());
  const int count = mg_get_server_ports(civetweb_->context, static_cast<int>(actual.size()), actual.data());
  for (size_t i = 0; i < reachable_at_.size() && static_cast<int>(i) < count; i++)
    reachable_at_[i] += ":" + std::to_string(actual[i].port);
}

WebServer::~WebServer() { mg_stop(civetweb_->context); }

}  // namespace looptap
