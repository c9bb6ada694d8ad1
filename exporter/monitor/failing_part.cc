#include "exporter/monitor/failing_part.h"

#include <exception>
#include <utility>

#include "exporter/base/limited_log.h"

namespace looptap {

FailingPart::FailingPart(const char* where, std::string who, std::string effect)
    : errors_(self::errors(where)), who_(std::move(who)), effect_(std::move(effect)) {}

bool FailingPart::run(const std::function<void()>& part) {
  std::string failure;
  try {
    part();
  } catch (const std::exception& error) {
    failure = error.what();
    if (failure.empty()) failure = "unknown";
    errors_.increment();
  }
  static LimitedLog changes(LogLevel::kError, "parts that fail");
  if (failure != failure_)
    changes.write(failure.empty() ? who_ + " works again" : who_ + " fails, " + effect_ + ": " + failure);
  failure_ = std::move(failure);
  return !is_failing();
}

}  // namespace looptap
