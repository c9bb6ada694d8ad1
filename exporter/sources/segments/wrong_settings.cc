#include "exporter/sources/segments/wrong_settings.h"

#include <string>

#include "exporter/base/limited_log.h"
#include "exporter/self/own_metrics.h"
#include "preload/segment_layout.h"

namespace looptap {

namespace {

struct Setting {
  uint32_t bit;
  const char* name;
  const char* fault;  // and what is done instead
};
constexpr Setting kSettings[] = {
    {LOOPTAP_SETTING_LOOPS, "LOOPTAP_LOOPS", "is not a number from 1 to 1024: there is room for 16 loops"},
    {LOOPTAP_SETTING_WAITS, "LOOPTAP_WAITS",
     "has words other than epoll, poll and select, which are left out"},
    {LOOPTAP_SETTING_NAME, "LOOPTAP_NAME", "is longer than 63 bytes and was cut off"},
    {LOOPTAP_SETTING_EXCLUDE, "LOOPTAP_EXCLUDE", "is longer than 255 bytes and was cut off"},
    {LOOPTAP_SETTING_VERBOSE, "LOOPTAP_VERBOSE", "is neither yes nor no, and was taken for yes"},
};

}  // namespace

void declare_wrong_settings() {
  for (const Setting& setting : kSettings) self::wrong_settings(setting.name);
}

void tell_wrong_settings(const ProcessIdentity& process, uint32_t wrong) {
  for (const Setting& setting : kSettings) {
    if (!(wrong & setting.bit)) continue;
    self::wrong_settings(setting.name).increment();
    static LimitedLog settings(LogLevel::kWarn, "settings that are not understood");
    settings.write([&] {
      return process.name + " (pid " + std::to_string(process.pid) + "): " + setting.name + " " +
             setting.fault;
    });
  }
}

}  // namespace looptap
