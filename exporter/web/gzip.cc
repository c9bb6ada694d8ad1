#include "exporter/web/gzip.h"

#include <zlib.h>

#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace looptap {

bool accepts_gzip(const std::string& accept_encoding) {
  std::istringstream codings(accept_encoding);
  for (std::string coding; std::getline(codings, coding, ',');) {
    std::istringstream parts(coding);
    std::string name, parameter;
    std::getline(parts, name, ';');
    name.erase(0, name.find_first_not_of(" \t"));
    name.erase(name.find_last_not_of(" \t") + 1);
    if (name != "gzip" && name != "*") continue;
    double quality = 1;
    while (std::getline(parts, parameter, ';'))
      if (const auto q = parameter.find("q="); q != std::string::npos)
        quality = atof(parameter.c_str() + q + 2);
    return quality > 0;
  }
  return false;
}

std::string gzip(const std::string& body) {
  constexpr int kGzip = 15 + 16;  // the largest window, with gzip's header
  z_stream stream{};
  // The fastest level: half the time of the usual one, and a tenth larger.
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("cannot compress");
  std::string result(deflateBound(&stream, body.size()), 0);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  const int status = deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("cannot compress");
  return result;
}

}  // namespace looptap
