// What the monitor makes of the processes of several sources.
#include "exporter/monitor/loop_monitor.h"

#include <stdexcept>

#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/self/own_metrics.h"
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
  const char* name() const override { return "listed"; }
  void refresh(uint64_t) override {
    refreshes++;
    if (failure) throw std::runtime_error(failure);
  }
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
  const char* failure = nullptr;  // what refresh() throws
};

/// A monitor of two sources.
struct Watched {
  explicit Watched(StallListener on_stall = {}) {
    std::vector<std::unique_ptr<LoopSource>> sources;
    first = static_cast<ListedSource*>(sources.emplace_back(std::make_unique<ListedSource>()).get());
    second = static_cast<ListedSource*>(sources.emplace_back(std::make_unique<ListedSource>()).get());
    monitor = std::make_unique<LoopMonitor>(
        std::move(sources),
        LoopMonitor::Settings{3600 * kSecond, kSecond / 10, {0.5}, false, std::move(on_stall)});
  }
  uint64_t only_loop() const { return monitor->snapshot().processes.at(0).loops.at(0).id; }
  /// "name/pid" of the processes, in the order in which they are shown.
  std::vector<std::string> shown() const {
    std::vector<std::string> names;
    for (const ProcessSnapshot& process : monitor->snapshot().processes)
      names.push_back(process.name + '/' + process.pid);
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
  const uint64_t before = self::deaths_in_stall().value();
  Watched watched;
  watched.first->add("web", 10, 100);
  CHECK(watched.shown() == Names{"web/7"});
  watched.first->list.back()->dead_since_ns = monotonic_now_ns();
  watched.first->add("web", 20, 200);
  const Snapshot snapshot = watched.monitor->snapshot();
  CHECK(watched.shown() == Names{"web/7"});
  CHECK(self::deaths_in_stall().value() == before + 1);
  CHECK(snapshot.live_processes() == 1);
  CHECK(snapshot.ended_processes() == 0);
}

TEST_CASE("a frozen loop is blocked, and that of a dead process is not") {
  set_log_level(LogLevel::kError);
  const uint64_t before = self::deaths_in_stall().value();
  Watched watched;
  watched.first->add("a", 1, 1);
  ListedProcess& dead = watched.second->add("b", 1, 2);
  dead.dead_since_ns = monotonic_now_ns();
  const Snapshot snapshot = watched.monitor->snapshot();
  REQUIRE(snapshot.processes.size() == 2);
  CHECK(snapshot.processes[0].name == "a");
  CHECK(snapshot.processes[0].loops.at(0).figures.blocked_ns >= 5 * kSecond);
  CHECK(snapshot.processes[0].loops.at(0).figures.state == LoopState::kFrozen);
  CHECK(snapshot.processes[1].name == "b");
  CHECK(snapshot.processes[1].loops.at(0).figures.blocked_ns == 0);
  CHECK(snapshot.processes[1].loops.at(0).figures.state == LoopState::kEnded);
  CHECK(snapshot.live_processes() == 1);
  CHECK(snapshot.ended_processes() == 1);
  CHECK(self::deaths_in_stall().value() == before + 1);
}

TEST_CASE("a loop keeps its number, and another one never gets it") {
  Watched watched;
  const auto numbers = [&] {
    std::vector<uint64_t> ids;
    for (const ProcessSnapshot& process : watched.monitor->snapshot().processes)
      for (const LoopSnapshot& loop : process.loops) ids.push_back(loop.id);
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
  watched.first->lost.unremovable = 1;
  watched.second->lost.unremovable = 4;
  const Snapshot snapshot = watched.monitor->snapshot();
  CHECK(snapshot.losses.dropped_loops == 5);
  CHECK(snapshot.losses.unremovable == 5);
}

TEST_CASE("a history gets a column each five seconds, however often it ticks") {
  Watched watched;
  const uint64_t begun = monotonic_now_ns();
  watched.first->add("a", 1, 1);
  const uint64_t loop = watched.only_loop();
  CHECK(watched.monitor->history(loop)->empty());

  uint64_t next = watched.monitor->tick(begun);
  CHECK(next == begun + kSecond);  // who lives is known within a second
  CHECK(watched.monitor->history(loop)->empty());

  // A column each five seconds, whenever it is asked.
  std::vector<size_t> columns;
  for (uint64_t now = begun; now < begun + 21 * kSecond; now = next) {
    next = watched.monitor->tick(now);
    REQUIRE(next > now);
    REQUIRE(next <= now + kSecond);
    columns.push_back(watched.monitor->history(loop)->size());
  }
  CHECK(columns.back() == 4);

  // One that was held up catches up.
  uint64_t later = begun + 42 * kSecond;
  while (watched.monitor->tick(later) <= later) continue;
  CHECK(watched.monitor->history(loop)->size() == 8);
}

TEST_CASE("a tick at which nothing is due finds who has come and gone, and reads nothing") {
  Watched watched;
  const uint64_t begun = monotonic_now_ns();
  watched.monitor->tick(begun + kSecond);
  CHECK(watched.first->refreshes > watched.first->reads);
}

TEST_CASE("a source that fails costs only its own loops, is counted, and comes back") {
  set_log_level(LogLevel(static_cast<int>(LogLevel::kError) + 1));
  Watched watched;
  watched.first->add("a", 1, 1);
  watched.second->add("b", 1, 2);
  CHECK(watched.shown() == Names{"a/7", "b/7"});
  const uint64_t loop = watched.only_loop();
  const uint64_t errors = self::errors("listed").value();
  watched.first->failure = "no";
  CHECK(watched.shown() == Names{"b/7"});
  CHECK(self::errors("listed").value() == errors + 1);
  watched.monitor->tick(monotonic_now_ns());
  CHECK(self::errors("listed").value() == errors + 2);
  watched.first->failure = nullptr;
  CHECK(watched.shown() == Names{"a/7", "b/7"});
  CHECK(watched.only_loop() == loop);  // with all that was known of it
  CHECK(self::errors("listed").value() == errors + 2);
}

namespace {

/// "begin 7 1", "still", "end died": what a listener hears.
struct Heard {
  std::vector<std::string> events;
  StallListener listener() {
    return [this](const StallEvent& event) {
      const char* kind = event.kind == StallEventKind::kBegin   ? "begin "
                         : event.kind == StallEventKind::kStill ? "still "
                                                                : "end ";
      events.push_back(kind + event.process + (event.died ? " died" : ""));
    };
  }
};

}  // namespace

TEST_CASE("a stall is heard at ticks: that it begins, still lasts, and ends, without a scrape") {
  Heard heard;
  Watched watched(heard.listener());
  ListedProcess& process = watched.first->add("web", 1, 1);
  watched.second->add("idle", 1, 2).loops[0].activity = Activity::kWaiting;  // the null control
  const auto tick = [&] { watched.monitor->tick(monotonic_now_ns()); };
  tick();
  tick();
  CHECK(heard.events == Names{"begin web", "still web"});
  process.loops[0].activity = Activity::kWaiting;
  process.loops[0].activity_since_ns = monotonic_now_ns();
  tick();
  tick();
  CHECK(heard.events == Names{"begin web", "still web", "end web"});
}

TEST_CASE("a stall ends with the death of its process") {
  set_log_level(LogLevel::kError);
  Heard heard;
  Watched watched(heard.listener());
  ListedProcess& process = watched.first->add("web", 1, 1);
  watched.monitor->tick(monotonic_now_ns());
  process.dead_since_ns = monotonic_now_ns();
  watched.monitor->tick(monotonic_now_ns());
  watched.monitor->tick(monotonic_now_ns());
  CHECK(heard.events == Names{"begin web", "end web died"});
}

TEST_CASE("a listener that throws costs nobody else anything") {
  set_log_level(LogLevel(static_cast<int>(LogLevel::kError) + 1));
  Watched watched([](const StallEvent&) { throw std::runtime_error("no"); });
  watched.first->add("web", 1, 1);
  const uint64_t errors = self::errors("stall_listener").value();
  watched.monitor->tick(monotonic_now_ns());
  CHECK(watched.shown() == Names{"web/7"});
  CHECK(self::errors("stall_listener").value() == errors + 2);
}
