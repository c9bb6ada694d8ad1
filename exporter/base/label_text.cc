#include "exporter/base/label_text.h"

#include <cstdint>

namespace looptap {

namespace {

/// Length of the well-formed UTF-8 sequence at the front (Unicode 15, table 3-7); 0 when there is none.
size_t sequence_length(std::string_view bytes) {
  const auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0u; };
  const auto between = [&](size_t i, unsigned low, unsigned high) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return between(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
    return between(1, low, high) && between(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
    return between(1, low, high) && between(2, 0x80, 0xBF) && between(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string label_text(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t length = sequence_length(bytes);
    if (length)
      text.append(bytes.substr(0, length));
    else
      text.append("\xEF\xBF\xBD");
    bytes.remove_prefix(length ? length : 1);
  }
  return text;
}

}  // namespace looptap
