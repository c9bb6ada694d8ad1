// One line on stderr for whoever runs looptap.
//
// Errors: none; a line that cannot be written is lost.
#pragma once

#include <string>

namespace looptap {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// Lines below this level are not written (info unless set). Set before threads are started.
void set_log_level(LogLevel level);

/// Thread-safe; newlines and control characters in the text are escaped, so that it stays one line.
void log(LogLevel level, const std::string& text);

}  // namespace looptap
