// Lines of one kind are limited, and none is lost without being counted.
#include "exporter/base/limited_log.h"

#include <vector>

#include "tests/unit/catch.h"

using namespace looptap;

TEST_CASE("limited log: what is too much is counted, and told with the next line") {
  LimitedLog kind(LogLevel::kWarn, "tests");
  std::vector<std::string> lines;
  const auto write = [&](uint64_t now_ns) {
    kind.write_at(now_ns, "line", [&](const std::string& line) { lines.push_back(line); });
  };
  constexpr uint64_t kBegin_ns = 1'000'000'000;
  for (unsigned i = 0; i < LimitedLog::kLines + 5; i++) write(kBegin_ns + i);
  CHECK(lines == std::vector<std::string>(LimitedLog::kLines, "line"));
  lines.clear();
  write(kBegin_ns + LimitedLog::kInterval_ns - 1);
  CHECK(lines.empty());
  write(kBegin_ns + LimitedLog::kInterval_ns);
  CHECK(lines == std::vector<std::string>{"6 more lines about tests were suppressed", "line"});
}

TEST_CASE("limited log: what is not too much is written as it is") {
  LimitedLog kind(LogLevel::kWarn, "tests");
  std::vector<std::string> lines;
  for (uint64_t minute = 1; minute < 30; minute++)
    kind.write_at(minute * LimitedLog::kInterval_ns / 2, "line",
                  [&](const std::string& line) { lines.push_back(line); });
  CHECK(lines == std::vector<std::string>(29, "line"));
}
