#include "exporter/base/duration.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string_view>

namespace looptap {

namespace {

struct Unit {
  std::string_view name;
  double ns;
};
constexpr Unit kUnits[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

constexpr double kMost_ns = 9e18;  // 285 years, and what an int64_t holds

}  // namespace

uint64_t parse_duration(const std::string& text) {
  const auto refuse = [&] {
    return std::invalid_argument("bad duration \"" + text + "\": write it like 250ms, 5s or 2m");
  };
  const char* at = text.data();
  const char* const last = at + text.size();
  double total_ns = 0;
  if (at == last) throw refuse();
  while (at != last) {
    double number = 0;
    const auto [end, error] = std::from_chars(at, last, number, std::chars_format::fixed);
    if (error != std::errc() || !(number >= 0)) throw refuse();
    const char* unit_end = end;
    while (unit_end != last && *unit_end >= 'a' && *unit_end <= 'z') unit_end++;
    const std::string_view unit(end, static_cast<size_t>(unit_end - end));
    double scale = 0;
    for (const Unit& known : kUnits)
      if (known.name == unit) scale = known.ns;
    if (scale == 0) throw refuse();
    total_ns += number * scale;
    at = unit_end;
  }
  if (total_ns > kMost_ns) throw refuse();
  return static_cast<uint64_t>(std::llround(total_ns));
}

std::string format_seconds(double seconds) {
  if (std::isnan(seconds)) return "-";
  if (seconds == 0) return "0";
  char text[32];
  if (seconds < 1e-3)
    snprintf(text, sizeof text, "%.1fus", seconds * 1e6);
  else if (seconds < 1)
    snprintf(text, sizeof text, "%.1fms", seconds * 1e3);
  else
    snprintf(text, sizeof text, "%.2fs", seconds);
  return text;
}

}  // namespace looptap
