// Lines of one kind, limited: what goes wrong a thousand times a second must not fill a disk, nor hide other lines.
//
// Thread-safe. Throws nothing: a line for which there is no memory is suppressed like one that is too much.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "exporter/base/log.h"

namespace looptap {

/// One for each kind, usually a static at the place that writes it.
class LimitedLog {
 public:
  static constexpr unsigned kLines = 10;  ///< in each kInterval_ns; further ones are counted
  static constexpr uint64_t kInterval_ns = 60'000'000'000;

  /// \param kind what the lines are about, for the line that says how many were suppressed: "requests that failed". It
  /// must be there for as long as this lives.
  LimitedLog(LogLevel level, std::string_view kind) : level_(level), kind_(kind) {}

  /// The first line of a later interval is preceded by one that says how many were suppressed.
  void write(std::string_view text) noexcept;

  /// The same, of a line that is made only if it is written. \param make returns a std::string, and may throw: the line
  /// is then suppressed.
  template <std::invocable Make>
  void write(const Make& make) noexcept {
    if (!begin_line()) return;
    try {
      log(level_, make());
    } catch (const std::exception&) {
      count_suppressed();
    }
  }

  /// The same, at an instant (CLOCK_MONOTONIC) and to whoever wants to see the lines. For tests.
  void write_at(uint64_t now_ns, const std::string& text, const std::function<void(const std::string&)>& to);

  /// How many lines of all kinds were suppressed since the process began.
  static uint64_t suppressed_lines() noexcept;

 private:
  struct Turn {
    bool is_free;                ///< a line may be written
    uint64_t suppressed_before;  ///< lines of an interval that has ended, and not been told of
  };
  Turn take_turn(uint64_t now_ns) noexcept;
  /// Says how many were suppressed, where that is due. \return whether a line may be written now.
  bool begin_line() noexcept;
  void count_suppressed() noexcept;

  const LogLevel level_;
  const std::string_view kind_;
  std::mutex mutex_;
  uint64_t interval_began_ns_ = 0;
  unsigned lines_ = 0;       // in this interval
  uint64_t suppressed_ = 0;  // in this interval
};

}  // namespace looptap
