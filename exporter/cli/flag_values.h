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

/// The parts between commas; always one at least, and each may be empty.
std::vector<std::string> split(const std::string& list);

/// The names between commas, none of them empty; no name in an empty text.
std::vector<std::string> parse_names(const std::string& flag, const std::string& text);

}  // namespace looptap
