#include "exporter/monitor/death_in_stall.h"

#include <optional>
#include <string>

#include "exporter/base/duration.h"
#include "exporter/base/limited_log.h"
#include "exporter/base/log.h"
#include "exporter/self/own_metrics.h"

namespace looptap {

void count_deaths_in_stall(TrackedProcess& process, uint64_t stall_threshold_ns) {
  const SourceProcess& source = *process.source;
  // One that exited normally met with no accident, and one that is still there has begun anew by exec. A zombie is not.
  if (source.exited_ns || !source.last_alive_ns) return;
  const std::optional<char> state = process.figures ? process.figures->state() : std::nullopt;
  if (state && state != 'Z') return;
  for (const LoopSample& sample : source.samples()) {
    if (sample.activity != Activity::kAway || sample.nested) continue;
    const uint64_t away_ns =
        source.last_alive_ns > sample.activity_since_ns ? source.last_alive_ns - sample.activity_since_ns : 0;
    if (away_ns < stall_threshold_ns) continue;
    self::deaths_in_stall().increment();
    static LimitedLog deaths(LogLevel::kWarn, "deaths in a stall");
    deaths.write([&] {
      return process.identity.name + " (pid " + process.pid_label + ") died without exiting while loop " +
             std::to_string(sample.ordinal) + " (thread " + sample.thread_name +
             ") had been away for at least " + format_seconds(static_cast<double>(away_ns) * 1e-9);
    });
  }
}

}  // namespace looptap
