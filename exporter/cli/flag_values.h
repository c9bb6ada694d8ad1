// What several flags write alike: numbers, durations, lists.
//
// Thread-safe: pure functions. Errors: std::invalid_argument, one line with the flag's name in front. Units: durations are
// nanoseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace looptap {

/// A whole number from 1 to `most`.
unsigned parse_number(const std::string& flag, const std::string& text, unsigned most);

/// As parse_duration() takes it (base/duration.h).
uint64_t parse_duration_flag(const std::string& flag, const std::string& text);

/// What makes sense for a duration, in the words of a user.
struct DurationRange {
  const char* least;
  const char* most;
  const char* why_no_more;  ///< a clause for the refusal
};
uint64_t parse_duration_flag(const std::string& flag, const std::string& text, const DurationRange& range);

/// The parts between commas; always one at least, and each may be empty.
std::vector<std::string> split(const std::string& list);

/// The names between commas, none of them empty; no name in an empty text.
std::vector<std::string> parse_names(const std::string& flag, const std::string& text);

}  // namespace looptap
