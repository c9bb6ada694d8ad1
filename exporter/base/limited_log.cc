#include "exporter/base/limited_log.h"

#include "exporter/base/monotonic_clock.h"

namespace looptap {

void LimitedLog::write(const std::string& text) {
  write_at(monotonic_now_ns(), text, [&](const std::string& line) { log(level_, line); });
}

void LimitedLog::write_at(uint64_t now_ns, const std::string& text,
                          const std::function<void(const std::string&)>& to) {
  std::lock_guard lock(mutex_);
  if (!interval_began_ns_ || now_ns - interval_began_ns_ >= kInterval_ns) {
    if (suppressed_) to(std::to_string(suppressed_) + " more lines about " + kind_ + " were suppressed");
    interval_began_ns_ = now_ns;
    lines_ = 0;
    suppressed_ = 0;
  }
  if (lines_ == kLines) {
    suppressed_++;
    return;
  }
  lines_++;
  to(text);
}

}  // namespace looptap
