// Processes that come and go in a segment source.
#include "exporter/self/own_metrics.h"
#include "tests/unit/catch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "exporter/base/log.h"
#include "exporter/sources/segments/segment_source.h"
#include "tests/unit/test_segment.h"

using namespace looptap;

namespace {
constexpr uint64_t kSecond = 1'000'000'000;
}  // namespace

TEST_CASE("a missing directory is made for everybody, a missing parent is an error") {
  TestDirectory directory;
  SegmentSource source(directory.path + "/new", 0);
  struct stat facts;
  REQUIRE(stat((directory.path + "/new").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 01777);
  CHECK_THROWS_AS(SegmentSource(directory.path + "/a/b", 0), std::runtime_error);
  REQUIRE(symlink((directory.path + "/new").c_str(), (directory.path + "/link").c_str()) == 0);
  CHECK_THROWS_AS(SegmentSource(directory.path + "/link", 0), std::runtime_error);
}

TEST_CASE("the dead are shown for the linger time, and their file is removed after a minute") {
  TestDirectory directory;
  SegmentSource source(directory.path, 30 * kSecond);
  TestSegment segment(directory.path, 1, "x");
  source.refresh(1000 * kSecond);
  REQUIRE(source.processes().size() == 1);
  CHECK_FALSE(source.processes()[0]->dead_since_ns);
  segment.end_process();
  source.refresh(1001 * kSecond);
  REQUIRE(source.processes().size() == 1);
  CHECK(source.processes()[0]->dead_since_ns == 1001 * kSecond);
  CHECK(source.processes()[0]->last_alive_ns == 1000 * kSecond);
  source.refresh(1031 * kSecond);
  CHECK(source.processes().empty());
  source.refresh(1060 * kSecond);
  CHECK(source.processes().empty());  // not found anew
  CHECK_FALSE(only_file(directory.path).empty());
  source.refresh(1061 * kSecond);
  CHECK(only_file(directory.path).empty());
}

TEST_CASE("the living keep their file, whatever their age") {
  TestDirectory directory;
  SegmentSource source(directory.path, kSecond);
  TestSegment segment(directory.path, 1, "x");
  for (uint64_t t = 1; t < 100; t++) source.refresh(t * 100 * kSecond);
  CHECK(source.processes().size() == 1);
  CHECK_FALSE(only_file(directory.path).empty());
}

TEST_CASE("only one of two exporters removes the file, both stop showing the process") {
  TestDirectory directory;
  SegmentSource first(directory.path, kSecond), second(directory.path, kSecond);
  {
    TestSegment segment(directory.path, 1, "x");
    first.refresh(1 * kSecond);
    second.refresh(1 * kSecond);
  }
  first.refresh(2 * kSecond);
  second.refresh(2 * kSecond);
  first.refresh(100 * kSecond);
  CHECK(only_file(directory.path).empty());
  second.refresh(101 * kSecond);
  CHECK(first.processes().empty());
  CHECK(second.processes().empty());
}

TEST_CASE("a process with the pid of a dead one of the same name replaces it") {
  TestDirectory directory;
  SegmentSource source(directory.path, 30 * kSecond);
  TestSegment before(directory.path, 1, "web");
  source.refresh(kSecond);
  before.end_process();
  TestSegment after(directory.path, 1, "web");
  source.refresh(2 * kSecond);
  REQUIRE(source.processes().size() == 1);
  CHECK_FALSE(source.processes()[0]->dead_since_ns);
}

TEST_CASE("a rejected file is counted once") {
  set_log_level(LogLevel::kError);
  TestDirectory directory;
  SegmentSource source(directory.path, kSecond);
  const self::Counter rejected = self::rejected_segments("foreign");
  const uint64_t before = rejected.value();
  std::ofstream(directory.path + "/junk") << "junk";
  for (uint64_t t = 1; t < 5; t++) source.refresh(t * kSecond);
  CHECK(rejected.value() == before + 1);
  std::ofstream(directory.path + "/more") << "junk";
  source.refresh(9 * kSecond);
  CHECK(rejected.value() == before + 2);
  source.refresh(1000 * kSecond);
  CHECK(std::filesystem::exists(directory.path + "/junk"));  // what is not ours is not removed
}

TEST_CASE("losses stay counted when their segment is retired") {
  TestDirectory directory;
  SegmentSource source(directory.path, kSecond);
  TestSegment segment(directory.path, 1, "x");
  source.refresh(kSecond);
  looptap_fetch_add(&segment.segment.header->loops_dropped, 3);
  source.read(kSecond);
  CHECK(source.losses().dropped_loops == 3);
  looptap_fetch_add(&segment.segment.header->loops_dropped, 2);
  segment.end_process();
  source.refresh(10 * kSecond);
  source.refresh(20 * kSecond);
  CHECK(source.processes().empty());
  CHECK(source.losses().dropped_loops == 5);
}

TEST_CASE("figures of the dead stand at their exit, or where they were last seen alive") {
  TestDirectory directory;
  SegmentSource source(directory.path, 30 * kSecond);
  TestSegment segment(directory.path, 1, "x");
  source.refresh(10 * kSecond);
  CHECK(source.processes()[0]->as_of(12 * kSecond) == 12 * kSecond);
  SECTION("it exited") {
    segment.segment.header->exited_ns = 11 * kSecond;
    segment.end_process();
    source.refresh(15 * kSecond);
    CHECK(source.processes()[0]->as_of(20 * kSecond) == 11 * kSecond);
  }
  SECTION("it was killed") {
    segment.end_process();
    source.refresh(15 * kSecond);
    CHECK(source.processes()[0]->as_of(20 * kSecond) == 10 * kSecond);
  }
  SECTION("it says that it exited tomorrow") {
    segment.segment.header->exited_ns = UINT64_MAX;
    segment.end_process();
    source.refresh(15 * kSecond);
    CHECK(source.processes()[0]->as_of(20 * kSecond) == 10 * kSecond);
  }
}

TEST_CASE("what a look has no time for the next ones do, each at least one") {
  set_log_level(LogLevel::kError);
  TestDirectory directory;
  SegmentSource source(directory.path, 30 * kSecond, SegmentSource::kMaxLoops, 0);
  std::vector<std::unique_ptr<TestSegment>> segments;
  for (int i = 0; i < 3; i++) {
    segments.push_back(std::make_unique<TestSegment>(directory.path, 1, "x"));
    segments.back()->begin_loop(0);
  }
  const self::Counter cut_short = self::shortages("time");
  const uint64_t before = cut_short.value();
  for (size_t found = 1; found <= 3; found++) {
    source.refresh(monotonic_now_ns());
    CHECK(source.processes().size() == found);
  }
  CHECK(cut_short.value() == before + 2);
  const auto have_samples = [&] {
    size_t count = 0;
    for (const SourceProcess* process : source.processes()) count += process->samples().size();
    return count;
  };
  for (size_t read = 1; read <= 3; read++) {
    source.read(monotonic_now_ns());
    CHECK(have_samples() == read);
  }
}

TEST_CASE("where there is time a look does all") {
  TestDirectory directory;
  SegmentSource source(directory.path, 30 * kSecond);
  std::vector<std::unique_ptr<TestSegment>> segments;
  for (int i = 0; i < 3; i++) segments.push_back(std::make_unique<TestSegment>(directory.path, 1, "x"));
  const uint64_t before = self::shortages("time").value();
  source.refresh(monotonic_now_ns());
  source.read(monotonic_now_ns());
  CHECK(source.processes().size() == 3);
  CHECK(self::shortages("time").value() == before);
}
