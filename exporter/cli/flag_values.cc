#include "exporter/cli/flag_values.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "exporter/base/duration.h"

namespace looptap {

unsigned parse_number(const std::string& flag, const std::string& text, unsigned most) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number < 1 || number > most)
    throw std::invalid_argument(flag + ": \"" + text + "\" is not a number from 1 to " +
                                std::to_string(most));
  return number;
}

uint64_t parse_duration_flag(const std::string& flag, const std::string& text) {
  try {
    return parse_duration(text);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(flag + ": " + error.what());
  }
}

uint64_t parse_duration_flag(const std::string& flag, const std::string& text, const DurationRange& range) {
  const uint64_t duration_ns = parse_duration_flag(flag, text);
  if (duration_ns < parse_duration(range.least))
    throw std::invalid_argument(flag + ": at least " + range.least);
  if (duration_ns > parse_duration(range.most))
    throw std::invalid_argument(flag + ": at most " + range.most + ", as " + range.why_no_more);
  return duration_ns;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t at = 0;;) {
    const size_t comma = list.find(',', at);
    parts.push_back(list.substr(at, comma - at));
    if (comma == std::string::npos) return parts;
    at = comma + 1;
  }
}

std::vector<std::string> parse_names(const std::string& flag, const std::string& text) {
  if (text.empty()) return {};
  std::vector<std::string> names = split(text);
  if (std::find(names.begin(), names.end(), "") != names.end())
    throw std::invalid_argument(flag + ": \"" + text + "\" is not a list like web,worker");
  return names;
}

}  // namespace looptap
