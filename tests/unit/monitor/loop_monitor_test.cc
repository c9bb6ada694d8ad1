// What the monitor makes of the processes of several sources.
#include "exporter/monitor/loop_monitor.h"

#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"
#include "tests/unit/catch.h"

using namespace looptap;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class ListedProcess : public SourceProcess {
 public:
  explicit ListedProcess(ProcessIdentity who) : SourceProcess(std::move(who)) {}
  const std::vector<LoopSample>& samples() const override { return loops; }
  std::vector<LoopSample> loops;
};

/// Shows what it is told to.
class ListedSource : public LoopSource {
 public:
  void refresh(uint64_t) override { refreshes++; }
  void read(uint64_t now_ns) override {
    reads++;
    for (const auto& process : list)
      for (LoopSample& sample : process->loops) sample.taken_ns = process->as_of(now_ns);
  }
  std::vector<const SourceProcess*> processes() const override {
    std::vector<const SourceProcess*> all;
    for (const auto& process : list) all.push_back(process.get());
    return all;
  }
  SourceLosses losses() const override { return lost; }

  ListedProcess& add(const char* name, uint64_t pid_namespace, uint64_t created_ns) {
    ProcessIdentity identity;
    identity.name = name;
    identity.pid = 7;
    identity.pid_namespace = pid_namespace;
    identity.created_ns = created_ns;
    ListedProcess& process = *list.emplace_back(std::make_unique<ListedProcess>(identity));
    process.last_alive_ns = monotonic_now_ns();
    LoopSample loop;
    loop.activity = Activity::kAway;
    loop.activity_since_ns = monotonic_now_ns() - 5 * kSecond;
    process.loops.push_back(loop);
    return process;
  }

  std::vector<std::unique_ptr<ListedProcess>> list;
  SourceLosses lost;
  unsigned refreshes = 0, reads = 0;
};

/// A monitor of two sources.
struct Watched {
  Watched() {
    std::vector<std::unique_ptr<LoopSource>> sources;
    first = static_cast<ListedSource*>(sources.emplace_back(std::make_unique<ListedSource>()).get());
    second = static_cast<ListedSource*>(sources.emplace_back(std::make_unique<ListedSource>()).get());
    monitor = std::make_unique<LoopMonitor>(std::move(sources),
                                            LoopMonitor::Settings{3600 * kSecond, kSecond / 10});
  }
  uint64_t only_loop() {
    uint64_t id = 0;
    monitor->visit([](const ProcessView&) {}, [&](const LoopView& loop) { id = loop.id; });
    return id;
  }
  /// "name/pid" of the processes, in the order in which they are shown.
  std::vector<std::string> shown() {
    std::vector<std::string> names;
    monitor->visit([&](const ProcessView& process) { names.push_back(process.name + '/' + process.pid); },
                   [](const LoopView&) {});
    return names;
  }
  ListedSource *first, *second;
  std::unique_ptr<LoopMonitor> monitor;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("labels are unique over all sources, the elder has the plain one") {
  Watched watched;
  watched.first->add("web", 20, 200);
  watched.second->add("web", 10, 100);
  watched.second->add("db", 20, 300);
  CHECK(watched.shown() == Names{"web/7@20", "web/7", "db/7"});
  watched.first->add("web", 30, 50);  // comes too late for the plain one
  CHECK(watched.shown() == Names{"web/7@20", "web/7@30", "web/7", "db/7"});
  watched.second->list.erase(watched.second->list.begin());
  watched.first->add("web", 40, 400);
  CHECK(watched.shown() == Names{"web/7@20", "web/7@30", "web/7", "db/7"});
}

TEST_CASE("the dead are shown until a living process needs their labels") {
  set_log_level(LogLevel::kError);
  Watched watched;
  ListedProcess& first = watched.first->add("web", 10, 100);
  watched.first->add("web", 20, 200);
  CHECK(watched.shown() == Names{"web/7", "web/7@20"});
  first.dead_since_ns = monotonic_now_ns();
  CHECK(watched.shown() == Names{"web/7", "web/7@20"});
  ListedProcess& next = watched.second->add("web", 30, 300);
  CHECK(watched.shown() == Names{"web/7@20", "web/7"});
  next.dead_since_ns = monotonic_now_ns();
  CHECK(watched.shown() == Names{"web/7@20", "web/7"});
  watched.second->list.clear();
  CHECK(watched.shown() == Names{"web/7@20"});  // nobody comes back
}

TEST_CASE("a death in a stall is counted though another process has the labels by then") {
  set_log_level(LogLevel::kError);
  Watched watched;
  watched.first->add("web", 10, 100);
  CHECK(watched.shown() == Names{"web/7"});
  watched.first->list.back()->dead_since_ns = monotonic_now_ns();
  watched.first->add("web", 20, 200);
  const MonitorTotals totals = watched.monitor->visit([](const ProcessView&) {}, [](const LoopView&) {});
  CHECK(watched.shown() == Names{"web/7"});
  CHECK(totals.deaths_in_stall == 1);
  CHECK(totals.live_processes == 1);
  CHECK(totals.ended_processes == 0);
}

TEST_CASE("each process comes before its loops, and the dead are not blocked") {
  set_log_level(LogLevel::kError);
  Watched watched;
  watched.first->add("a", 1, 1);
  ListedProcess& dead = watched.second->add("b", 1, 2);
  dead.dead_since_ns = monotonic_now_ns();
  std::vector<std::string> seen;
  const MonitorTotals totals =
      watched.monitor->visit([&](const ProcessView& process) { seen.push_back(process.name); },
                             [&](const LoopView& loop) {
                               REQUIRE_FALSE(seen.empty());
                               CHECK(seen.back() == loop.process.name);
                               seen.push_back(loop.blocked_ns >= 5 * kSecond ? "blocked" : "not blocked");
                             });
  CHECK(seen == Names{"a", "blocked", "b", "not blocked"});
  CHECK(totals.live_processes == 1);
  CHECK(totals.ended_processes == 1);
  CHECK(totals.deaths_in_stall == 1);
}

TEST_CASE("a loop keeps its number, and another one never gets it") {
  Watched watched;
  const auto numbers = [&] {
    std::vector<uint64_t> ids;
    watched.monitor->visit([](const ProcessView&) {}, [&](const LoopView& loop) { ids.push_back(loop.id); });
    return ids;
  };
  watched.first->add("a", 1, 1);
  const auto before = numbers();
  REQUIRE(before.size() == 1);
  CHECK(numbers() == before);
  CHECK(watched.monitor->history(before[0]));
  watched.first->list.clear();
  watched.first->add("a", 1, 1);
  CHECK(numbers() != before);
  CHECK_FALSE(watched.monitor->history(before[0]));
}

TEST_CASE("what the sources lost is added up") {
  Watched watched;
  watched.first->lost.dropped_loops = 2;
  watched.second->lost.dropped_loops = 3;
  watched.first->lost.rejected[Rejection::kForeign] = 1;
  watched.second->lost.rejected[Rejection::kForeign] = 4;
  const MonitorTotals totals = watched.monitor->visit([](const ProcessView&) {}, [](const LoopView&) {});
  CHECK(totals.losses.dropped_loops == 5);
  CHECK(totals.losses.rejected.at(Rejection::kForeign) == 5);
}

TEST_CASE("books are kept when it is time, and not before") {
  Watched watched;
  const uint64_t begun = monotonic_now_ns();
  watched.first->add("a", 1, 1);
  const uint64_t loop = watched.only_loop();
  CHECK(watched.monitor->history(loop)->empty());

  uint64_t next = watched.monitor->keep_books(begun);
  CHECK(next == begun + kSecond);  // who lives is known within a second
  CHECK(watched.monitor->history(loop)->empty());

  // A column each five seconds, whenever it is asked.
  std::vector<size_t> columns;
  for (uint64_t now = begun; now < begun + 21 * kSecond; now = next) {
    next = watched.monitor->keep_books(now);
    REQUIRE(next > now);
    REQUIRE(next <= now + kSecond);
    columns.push_back(watched.monitor->history(loop)->size());
  }
  CHECK(columns.back() == 4);

  // One that was held up catches up.
  uint64_t later = begun + 42 * kSecond;
  while (watched.monitor->keep_books(later) <= later) continue;
  CHECK(watched.monitor->history(loop)->size() == 8);
}

TEST_CASE("a look by the way finds who has come and gone, and reads nothing") {
  Watched watched;
  const uint64_t begun = monotonic_now_ns();
  watched.monitor->keep_books(begun + kSecond);
  CHECK(watched.first->refreshes > watched.first->reads);
}
