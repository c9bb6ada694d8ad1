// looks KIND [+] [FROM [STEP]]: looks, scrapes and ends under each fault of one kind (tests/preloads/fail_nth.c, which is to be
// preloaded): the first call of that kind fails, then the second, and so on, until there is none left that could; with "+" all
// later ones fail, too, until the look is over.
//
// In each round a process begins, runs, ends and has its file removed, while another one lives on. A fault may cost a look or
// a scrape, by an exception that the exporter catches, and no more: the next look without a fault shows exactly the series
// and the figures that it would have shown, no descriptor stays open and no memory is kept. Then the exporter is made and ended
// under the same fault. Prints how many calls there were.

#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/metrics/exposition/exposition.h"
#include "exporter/metrics/loop_collector.h"
#include "exporter/monitor/failing_part.h"
#include "exporter/monitor/loop_monitor.h"
#include "exporter/sources/segments/segment_source.h"
#include "exporter/web/loops_api.h"
#include "tests/unit/test_segment.h"

namespace {

using namespace looptap;

constexpr uint64_t kSecond_ns = 1'000'000'000;
constexpr size_t kMostKept = 64 << 10;  // bytes, over all rounds: what grows once, by a history or a buffer

[[noreturn]] void fail(const std::string& what) {
  fprintf(stderr, "looks: %s\n", what.c_str());
  _exit(1);
}

/// The preloaded library.
struct Faults {
  int (*arm)(const char*, long,
             int) = reinterpret_cast<int (*)(const char*, long, int)>(dlsym(RTLD_DEFAULT, "fault_arm"));
  int (*disarm)() = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "fault_disarm"));
};

/// What they lead to.
std::multiset<std::string> open_descriptors() {
  std::multiset<std::string> files;
  std::error_code gone;  // that of the listing itself
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    files.insert(std::filesystem::read_symlink(entry.path(), gone).string());
  return files;
}

std::string text_of(const std::multiset<std::string>& files) {
  std::string text;
  for (const std::string& file : files) text += " " + file;
  return text;
}

/// The exporter but for its server and its thread, as cli/exporter.cc puts it together.
struct Exporter {
  explicit Exporter(const std::string& directory)
      : monitor(sources_of(directory), {60 * kSecond_ns, kSecond_ns / 10, {0.5, 0.99}, false, {}}),
        collector(monitor, {{1'000'000, 100'000'000, 10 * kSecond_ns}, false, ""}),
        part("tick", "the monitor", "and goes on trying") {}

  static std::vector<std::unique_ptr<LoopSource>> sources_of(const std::string& directory) {
    std::vector<std::unique_ptr<LoopSource>> sources;
    sources.push_back(std::make_unique<SegmentSource>(directory, 0));
    return sources;
  }

  /// As its thread does.
  void tick(uint64_t now_ns) {
    part.run([&] { monitor.tick(now_ns); });
  }

  /// As its server does: what is thrown becomes an answer 500.
  void answer_all() {
    const auto answer = [](const std::function<void()>& make) {
      try {
        make();
      } catch (const std::exception&) {
      }
    };
    answer([&] { collector.collect(ExpositionFormat::kText); });
    answer([&] { collector.collect(ExpositionFormat::kProtobuf); });
    answer([&] { loops_json(monitor.snapshot()); });
  }

  LoopMonitor monitor;
  LoopCollector collector;
  FailingPart part;
};

/// What of a scrape must not depend on whether there was a fault before: all series, and the values that stand still.
std::string lasting(const std::string& scrape) {
  static const char* const kStill[] = {"eventloop_waits_total",
                                       "eventloop_events_total",
                                       "eventloop_iteration_seconds",
                                       "eventloop_wakeup_delay_seconds",
                                       "eventloop_process_start_time_seconds",
                                       "looptap_processes",
                                       "looptap_rejected_segments_total",
                                       "looptap_dropped_loops_total",
                                       "looptap_unremovable_segments"};
  std::istringstream lines(scrape);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    bool stands_still = false;
    for (const char* name : kStill) stands_still |= line.starts_with(name);
    kept += stands_still ? line : line.substr(0, line.rfind(' '));
    kept += '\n';
  }
  return kept;
}

std::string first_difference(const std::string& expected, const std::string& actual) {
  std::istringstream a(expected), b(actual);
  std::string before, now;
  for (;;) {
    const bool more_before = static_cast<bool>(std::getline(a, before)),
               more_now = static_cast<bool>(std::getline(b, now));
    if (!more_before && !more_now) return "nothing";
    if (!more_before || !more_now || before != now)
      return "\"" + (more_before ? before : "") + "\" was to be, \"" + (more_now ? now : "") + "\" is";
  }
}

void give_loop(TestSegment& segment) {
  segment.begin_loop(0, "main");
  const uint64_t now_ns = monotonic_now_ns();
  for (uint64_t i = 0; i < 5; i++)
    segment.wait(0, now_ns - (10 - i) * 1'000'000, now_ns - (10 - i) * 1'000'000 + 500'000);
  looptap_enter(&segment.segment.loops, &segment.thread, 0, now_ns, -1);
}

class Rounds {
 public:
  Rounds(const char* kind, bool and_later) : kind_(kind), and_later_(and_later) {
    if (!faults_.arm || faults_.arm(kind, 0, 0) != 0)
      fail("fail_nth.so is not preloaded, or has no such kind");
    faults_.disarm();
    give_loop(steady_);
  }

  /// \return whether there was a call number n anywhere.
  bool run(long n) {
    bool fired = false;
    const auto under_fault = [&](const std::function<void()>& act) {
      faults_.arm(kind_, n, and_later_);
      act();
      fired |= faults_.disarm() != 0;
    };
    const auto look = [&](uint64_t now_ns) {
      under_fault([&] {
        exporter_->tick(now_ns);
        exporter_->answer_all();
      });
    };
    {
      TestSegment passing(directory_.path, 1, "passing");
      give_loop(passing);
      look(monotonic_now_ns());
      check(n, "both live", with_both_);
    }
    look(monotonic_now_ns());
    check(n, "one has ended", with_one_);
    const uint64_t later_ns = monotonic_now_ns() + SegmentJanitor::kRemoveAfter_ns + kSecond_ns;
    under_fault([&] { exporter_->tick(later_ns); });
    exporter_->tick(later_ns);
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path))
      files += entry.path().filename().string()[0] != '.';
    if (files != 1) fail(at(n) + "the dead process' file is still there");

    under_fault([&] {
      try {
        Exporter short_lived(directory_.path);
        short_lived.tick(monotonic_now_ns());
        short_lived.answer_all();
      } catch (const std::exception&) {  // as main() does
      }
    });
    check(n, "after another one", with_one_);
    const auto descriptors = open_descriptors();
    if (descriptors_.empty()) descriptors_ = descriptors;
    if (descriptors != descriptors_)
      fail(at(n) + "open are" + text_of(descriptors) + ", not" + text_of(descriptors_));
    return fired;
  }

  /// Bytes that are in use.
  static size_t memory() { return mallinfo2().uordblks; }

 private:
  std::string at(long n) const {
    return std::string(kind_) + (and_later_ ? "+ " : " ") + std::to_string(n) + ": ";
  }

  /// The next look without a fault. The first time it is taken for what is right.
  void check(long n, const char* when, std::string& expected) {
    exporter_->tick(monotonic_now_ns());
    const std::string now = lasting(exporter_->collector.collect(ExpositionFormat::kText));
    if (expected.empty()) expected = now;
    if (now != expected) fail(at(n) + when + ": " + first_difference(expected, now));
  }

  const Faults faults_;
  const char* const kind_;
  const bool and_later_;
  TestDirectory directory_;
  TestSegment steady_{directory_.path, 1, "steady"};
  std::unique_ptr<Exporter> exporter_ = std::make_unique<Exporter>(directory_.path);
  std::string with_both_, with_one_;
  std::multiset<std::string> descriptors_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fputs("usage: looks KIND [+] [FROM [STEP]]\n", stderr);
    return 2;
  }
  int at = 2;
  const bool and_later = argc > at && strcmp(argv[at], "+") == 0;
  if (and_later) at++;
  const long from = argc > at ? atol(argv[at]) : 1, step = argc > at + 1 ? atol(argv[at + 1]) : 1;
  Rounds rounds(argv[1], and_later);
  constexpr long kNever = 1'000'000'000;
  constexpr int kSettled = 130;  // rounds, after which histories are full
  for (int i = 0; i < (argc > at ? 3 : kSettled); i++)
    if (rounds.run(kNever)) fail("a fault where none was to be");
  const size_t memory = Rounds::memory();
  long n = from;
  while (rounds.run(n)) n += step;
  const size_t kept = Rounds::memory() - std::min(memory, Rounds::memory());
  if (argc <= at && kept > kMostKept) fail(std::to_string(kept) + " bytes are kept");
  printf("%ld\n", n);
}
