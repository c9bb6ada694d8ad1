#include "exporter/base/limited_log.h"

#include <atomic>
#include <cinttypes>
#include <cstdio>

#include "exporter/base/monotonic_clock.h"

namespace looptap {

namespace {

std::atomic<uint64_t> g_suppressed{0};

/// Of fixed size: kinds are words of ours.
struct Notice {
  Notice(uint64_t suppressed, std::string_view kind) {
    snprintf(text, sizeof text, "%" PRIu64 " more lines about %.*s were suppressed", suppressed,
             static_cast<int>(kind.size()), kind.data());
  }
  char text[256];
};

}  // namespace

uint64_t LimitedLog::suppressed_lines() noexcept { return g_suppressed.load(std::memory_order_relaxed); }

void LimitedLog::count_suppressed() noexcept {
  std::lock_guard lock(mutex_);
  suppressed_++;
  g_suppressed.fetch_add(1, std::memory_order_relaxed);
}

LimitedLog::Turn LimitedLog::take_turn(uint64_t now_ns) noexcept {
  std::lock_guard lock(mutex_);
  uint64_t suppressed_before = 0;
  if (!interval_began_ns_ || now_ns - interval_began_ns_ >= kInterval_ns) {
    suppressed_before = suppressed_;
    interval_began_ns_ = now_ns;
    lines_ = 0;
    suppressed_ = 0;
  }
  if (lines_ < kLines) {
    lines_++;
    return {true, suppressed_before};
  }
  suppressed_++;
  g_suppressed.fetch_add(1, std::memory_order_relaxed);
  return {false, suppressed_before};
}

bool LimitedLog::begin_line() noexcept {
  const Turn turn = take_turn(monotonic_now_ns());
  if (turn.suppressed_before) log(level_, Notice(turn.suppressed_before, kind_).text);
  return turn.is_free;
}

void LimitedLog::write(std::string_view text) noexcept {
  if (begin_line()) log(level_, text);
}

void LimitedLog::write_at(uint64_t now_ns, const std::string& text,
                          const std::function<void(const std::string&)>& to) {
  const Turn turn = take_turn(now_ns);
  if (turn.suppressed_before) to(Notice(turn.suppressed_before, kind_).text);
  if (turn.is_free) to(text);
}

}  // namespace looptap
