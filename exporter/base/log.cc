#include "exporter/base/log.h"

#include <unistd.h>

#include <cstring>

namespace looptap {

namespace {

LogLevel g_level = LogLevel::kInfo;

constexpr std::string_view kCut = "...";

/// A line in the making, on the stack.
class Line {
 public:
  /// False: it is full, and says so.
  bool add(std::string_view part) {
    if (part.size() > kLongestLine - 1 - kCut.size() - size_) {
      append(kCut);
      return false;
    }
    append(part);
    return true;
  }
  void write() {
    append("\n");
    // One write, so that lines of several threads do not mix. There is nobody to tell if it fails.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, bytes_, size_);
  }

 private:
  void append(std::string_view part) {
    memcpy(bytes_ + size_, part.data(), part.size());
    size_ += part.size();
  }

  char bytes_[kLongestLine];
  size_t size_ = 0;
};

}  // namespace

void set_log_level(LogLevel level) { g_level = level; }

void log(LogLevel level, std::string_view text) noexcept {
  if (level < g_level) return;
  Line line;
  line.add(level == LogLevel::kError  ? "looptap: error: "
           : level == LogLevel::kWarn ? "looptap: warning: "
                                      : "looptap: ");
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    constexpr const char* kDigits = "0123456789abcdef";
    const char escaped[] = {'\\', 'x', kDigits[code >> 4], kDigits[code & 15]};
    const bool is_plain = code >= 0x20 && code != 0x7f;
    if (!line.add(is_plain ? std::string_view(&byte, 1) : std::string_view(escaped, sizeof escaped))) break;
  }
  line.write();
}

}  // namespace looptap
