#include "exporter/cli/log_flags.h"

#include <map>
#include <stdexcept>

namespace looptap {

void LogFlags::declare(FlagSet& set) {
  set.add("--log.level", level_, "LEVEL", "debug, info, warn or error");
}

LogLevel LogFlags::check() const {
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warn", LogLevel::kWarn},
                                                  {"error", LogLevel::kError}};
  const auto level = levels.find(level_);
  if (level == levels.end())
    throw std::invalid_argument("--log.level: \"" + level_ + "\" is not debug, info, warn or error");
  return level->second;
}

}  // namespace looptap
