#include "exporter/monitor/failing_part.h"

#include <utility>

#include "exporter/base/limited_log.h"

namespace looptap {

namespace {

LimitedLog& changes() {
  static LimitedLog changes(LogLevel::kError, "parts that fail");
  return changes;
}

/// Of what cannot be kept for want of memory at least this; it fits into the string itself.
constexpr const char* kUnknown = "unknown";

}  // namespace

FailingPart::FailingPart(const char* where, std::string who, std::string effect)
    : errors_(self::errors(where)), who_(std::move(who)), effect_(std::move(effect)) {}

void FailingPart::failed(const char* why) noexcept {
  errors_.increment();
  if (!*why) why = kUnknown;
  if (failure_ == why) return;
  changes().write([&] { return who_ + " fails, " + effect_ + ": " + why; });
  try {
    failure_ = why;
  } catch (const std::exception&) {
    failure_ = kUnknown;
  }
}

void FailingPart::worked() noexcept {
  if (!is_failing()) return;
  failure_.clear();
  changes().write([&] { return who_ + " works again"; });
}

}  // namespace looptap
