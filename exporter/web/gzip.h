// Compressed bodies. zlib stays behind gzip.cc.
//
// Pure functions: thread-safe.
#pragma once

#include <string>

namespace looptap {

/// Whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3).
bool accepts_gzip(const std::string& accept_encoding);

/// \throws std::runtime_error where zlib refuses (out of memory).
std::string gzip(const std::string& body);

}  // namespace looptap
