// Lines of one kind, limited: what goes wrong a thousand times a second must not fill a disk, nor hide other lines.
//
// Thread-safe. Throws nothing but for want of memory.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "exporter/base/log.h"

namespace looptap {

/// One for each kind, usually a static at the place that writes it.
class LimitedLog {
 public:
  static constexpr unsigned kLines = 10;  ///< in each kInterval_ns; further ones are counted
  static constexpr uint64_t kInterval_ns = 60'000'000'000;

  /// \param kind what the lines are about, for the line that says how many were suppressed: "requests that failed".
  LimitedLog(LogLevel level, std::string kind) : level_(level), kind_(std::move(kind)) {}

  /// The first line of a later interval is preceded by one that says how many were suppressed.
  void write(const std::string& text);

  /// The same, at an instant (CLOCK_MONOTONIC) and to whoever wants to see the lines. For tests.
  void write_at(uint64_t now_ns, const std::string& text, const std::function<void(const std::string&)>& to);

 private:
  const LogLevel level_;
  const std::string kind_;
  std::mutex mutex_;
  uint64_t interval_began_ns_ = 0;
  unsigned lines_ = 0;       // in this interval
  uint64_t suppressed_ = 0;  // in this interval
};

}  // namespace looptap
