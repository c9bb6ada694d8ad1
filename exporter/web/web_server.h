// An HTTP server for a handful of read-only pages. civetweb stays behind web_server.cc.
//
// Thread-safe once made. Errors: see the constructor; a handler's exceptions become a 500, counted in
// looptap_errors_total{where="http"}.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace looptap {

struct WebRequest {
  std::string path;    ///< decoded, without the query
  std::string accept;  ///< the header; empty when there is none
};

struct WebResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Called from several threads at once. An exception becomes a 500.
using WebHandler = std::function<WebResponse(const WebRequest&)>;

/// Serves GET and HEAD; other methods get 405. Compresses (gzip) for clients that ask for it.
class WebServer {
 public:
  /// Listens on each address: "HOST:PORT" or ":PORT" (every IPv4 address); port 0 picks a free one.
  /// \throws std::invalid_argument for an address it cannot serve, std::runtime_error when it cannot listen;
  /// both with one clear line.
  /// \param max_connections how many are served at once; further ones wait.
  WebServer(const std::vector<std::string>& addresses, unsigned max_connections, WebHandler handler);
  ~WebServer();

  /// Where it listens, as "HOST:PORT", in the order asked for; every address shows as 127.0.0.1.
  const std::vector<std::string>& reachable_at() const { return reachable_at_; }

 private:
  struct Civetweb;
  std::unique_ptr<Civetweb> civetweb_;
  std::vector<std::string> reachable_at_;
};

}  // namespace looptap
