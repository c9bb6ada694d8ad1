// Untrusted bytes (names of processes and threads) as the value of a label.
//
// Thread-safe: a pure function that does not fail.
#pragma once

#include <string>
#include <string_view>

namespace looptap {

/// Valid UTF-8, as Prometheus demands: each byte that is not part of any becomes U+FFFD.
/// Quotes, backslashes and newlines stay; the serializer escapes them.
std::string label_text(std::string_view bytes);

}  // namespace looptap
