// The thread goes on after a tick that failed, and it is told from outside when it hangs.
#include "exporter/monitor/monitor_thread.h"

#include <chrono>
#include <future>
#include <stdexcept>

#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/self/own_metrics.h"
#include "tests/unit/catch.h"

using namespace looptap;

namespace {
constexpr auto kDeadline = std::chrono::seconds(30);
}

TEST_CASE("the monitor's thread: a tick that throws is counted, and there is another one") {
  set_log_level(LogLevel(static_cast<int>(LogLevel::kError) + 1));
  const uint64_t errors = self::errors("tick").value();
  std::promise<void> ticked_again;
  int ticks = 0;
  MonitorThread thread([&](uint64_t now_ns) -> uint64_t {
    if (++ticks == 1) throw std::runtime_error("no");
    if (ticks == 2) ticked_again.set_value();
    return now_ns + 3'600'000'000'000;
  });
  REQUIRE(ticked_again.get_future().wait_for(kDeadline) == std::future_status::ready);
  CHECK(self::errors("tick").value() == errors + 1);
  CHECK(thread.is_alive(monotonic_now_ns()));
}

TEST_CASE("the monitor's thread: one that hangs in a tick is not alive after a while") {
  std::promise<void> entered, release;
  auto released = release.get_future();
  MonitorThread thread([&](uint64_t now_ns) -> uint64_t {
    entered.set_value();
    released.wait();
    return now_ns + 3'600'000'000'000;
  });
  REQUIRE(entered.get_future().wait_for(kDeadline) == std::future_status::ready);
  CHECK(thread.is_alive(monotonic_now_ns()));
  CHECK_FALSE(thread.is_alive(monotonic_now_ns() + MonitorThread::kHangs_ns));
  release.set_value();
}
