#include "exporter/web/json_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "exporter/base/label_text.h"

namespace looptap {

namespace {

/// Digits with their exponent become 0.001, 12.5 or 1e+20: plain up to 15 digits before the point and 4 zeros after it.
constexpr int kMostBefore = 15, kMostZeros = 4;

}  // namespace

void JsonText::separate() {
  if (std::exchange(needs_comma_, true)) text_ += ',';
}

JsonText& JsonText::begin(char bracket) {
  separate();
  text_ += bracket;
  needs_comma_ = false;
  return *this;
}

JsonText& JsonText::end(char bracket) {
  text_ += bracket;
  needs_comma_ = true;
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  separate();
  write_string(name);
  text_ += ':';
  needs_comma_ = false;
  return *this;
}

JsonText& JsonText::value(bool truth) {
  separate();
  text_ += truth ? "true" : "false";
  return *this;
}

JsonText& JsonText::value(uint64_t number) {
  separate();
  char digits[24];
  text_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  return *this;
}

JsonText& JsonText::value(std::string_view text) {
  separate();
  write_string(label_text(text));
  return *this;
}

JsonText& JsonText::value(double number) {
  separate();
  if (!std::isfinite(number)) {
    text_ += "null";
    return *this;
  }
  char shortest[40];  // -D.DDDDe-XXX
  const char* const end =
      std::to_chars(shortest, shortest + sizeof shortest, number, std::chars_format::scientific).ptr;
  std::string_view rest(shortest, static_cast<size_t>(end - shortest));
  if (rest.starts_with('-')) {
    text_ += '-';
    rest.remove_prefix(1);
  }
  const size_t e = rest.find('e');
  std::string digits;
  for (const char byte : rest.substr(0, e))
    if (byte != '.') digits += byte;
  const bool is_small = rest[e + 1] == '-';
  int exponent = 0;
  std::from_chars(rest.data() + e + 2, rest.data() + rest.size(), exponent);
  if (is_small) exponent = -exponent;

  const int before = exponent + 1;  // digits before the point
  const auto count = static_cast<int>(digits.size());
  if (before > kMostBefore || before <= -kMostZeros) {
    text_ += digits[0];
    if (count > 1) text_.append(1, '.').append(digits, 1);
    char power[16];
    snprintf(power, sizeof power, "e%c%02d", is_small ? '-' : '+', std::abs(exponent));
    text_ += power;
  } else if (before <= 0) {
    text_.append("0.").append(static_cast<size_t>(-before), '0').append(digits);
  } else if (before >= count) {
    text_.append(digits).append(static_cast<size_t>(before - count), '0').append(".0");
  } else {
    text_.append(digits, 0, static_cast<size_t>(before))
        .append(1, '.')
        .append(digits, static_cast<size_t>(before));
  }
  return *this;
}

void JsonText::write_string(std::string_view text) {
  text_ += '"';
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') {
      text_.append(1, '\\').append(1, byte);
    } else if (code >= 0x20) {
      text_ += byte;
    } else {
      constexpr std::string_view kNamed = "\bb\ff\nn\rr\tt";
      const size_t named = kNamed.find(byte);
      char escaped[8];
      if (named != std::string_view::npos && named % 2 == 0)
        snprintf(escaped, sizeof escaped, "\\%c", kNamed[named + 1]);
      else
        snprintf(escaped, sizeof escaped, "\\u%04x", code);
      text_ += escaped;
    }
  }
  text_ += '"';
}

std::string JsonText::take() {
  text_ += '\n';
  needs_comma_ = false;
  return std::exchange(text_, {});
}

}  // namespace looptap
