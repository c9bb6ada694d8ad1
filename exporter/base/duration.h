// Durations as users write and read them.
//
// Thread-safe: pure functions. Units: nanoseconds in, seconds out, as the names say.
#pragma once

#include <cstdint>
#include <string>

namespace looptap {

/// "250ms", "5s", "2m", "1h", "1.5s", "2m30s": numbers with units (ns us ms s m h), the largest first or not.
/// \return nanoseconds. \throws std::invalid_argument with one clear line.
uint64_t parse_duration(const std::string& text);

/// Seconds as "0", "3.2us", "150.3ms", "2.0s" for a table.
std::string format_seconds(double seconds);

}  // namespace looptap
