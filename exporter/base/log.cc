#include "exporter/base/log.h"

#include <unistd.h>

namespace looptap {

namespace {
LogLevel g_level = LogLevel::kInfo;
}

void set_log_level(LogLevel level) { g_level = level; }

void log(LogLevel level, const std::string& text) {
  if (level < g_level) return;
  std::string line = level == LogLevel::kError  ? "looptap: error: "
                     : level == LogLevel::kWarn ? "looptap: warning: "
                                                : "looptap: ";
  for (const char byte : text) {
    if (static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7f) {
      line += byte;
    } else {
      static const char* const kDigits = "0123456789abcdef";
      line += "\\x";
      line += kDigits[static_cast<unsigned char>(byte) >> 4];
      line += kDigits[byte & 15];
    }
  }
  line += '\n';
  // One write, so that lines of several threads do not mix. There is nobody to tell if it fails.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace looptap
