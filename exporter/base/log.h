// One line on stderr for whoever runs looptap.
//
// Errors: none; a line that cannot be written is lost. Takes no memory, which may be what the line tells of.
#pragma once

#include <cstddef>
#include <string_view>

namespace looptap {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// Lines below this level are not written (info unless set). Set before threads are started.
void set_log_level(LogLevel level);

/// Bytes of a line; a longer one, as somebody's names may make it, is cut and ends in "...".
inline constexpr size_t kLongestLine = 4096;

/// Thread-safe; newlines and control characters in the text are escaped, so that it stays one line.
void log(LogLevel level, std::string_view text) noexcept;

}  // namespace looptap
