// Lives and deaths in a segment directory.
#include "tests/unit/catch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "exporter/base/log.h"
#include "exporter/sources/segments/segment_directory.h"
#include "tests/unit/test_segment.h"

using namespace looptap;

namespace {
constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("a missing directory is made for everybody, a missing parent is an error") {
  TestDirectory parent;
  SegmentDirectory directory(parent.path + "/new", 0);
  struct stat facts;
  REQUIRE(stat((parent.path + "/new").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 01777);
  CHECK_THROWS_AS(SegmentDirectory(parent.path + "/a/b", 0), std::runtime_error);
  REQUIRE(symlink((parent.path + "/new").c_str(), (parent.path + "/link").c_str()) == 0);
  CHECK_THROWS_AS(SegmentDirectory(parent.path + "/link", 0), std::runtime_error);
}

TEST_CASE("the dead linger, are forgotten, and lose their file after a minute") {
  TestDirectory parent;
  SegmentDirectory directory(parent.path, 30 * kSecond);
  TestSegment segment(parent.path, 1, "x");
  directory.refresh(1000 * kSecond);
  REQUIRE(directory.processes().size() == 1);
  CHECK_FALSE(directory.processes()[0]->dead_since_ns);
  segment.end_process();
  directory.refresh(1001 * kSecond);
  REQUIRE(directory.processes().size() == 1);
  CHECK(directory.processes()[0]->dead_since_ns == 1001 * kSecond);
  CHECK(directory.processes()[0]->last_alive_ns == 1000 * kSecond);
  directory.refresh(1031 * kSecond);
  CHECK(directory.processes().empty());
  directory.refresh(1060 * kSecond);
  CHECK(directory.processes().empty());  // not found anew
  CHECK_FALSE(only_file(parent.path).empty());
  directory.refresh(1061 * kSecond);
  CHECK(only_file(parent.path).empty());
}

TEST_CASE("what cannot be removed is counted for as long as it is there") {
  TestDirectory parent;
  SegmentDirectory directory(parent.path, kSecond);
  std::string name;
  {
    TestSegment segment(parent.path, 1, "x");
    directory.refresh(kSecond);
    name = only_file(parent.path);
  }
  directory.refresh(2 * kSecond);
  directory.refresh(10 * kSecond);  // it has lingered
  const std::string path = parent.path + "/" + name;
  REQUIRE(unlink(path.c_str()) == 0);
  REQUIRE(mkdir(path.c_str(), 0700) == 0);  // which unlink refuses to anybody
  directory.refresh(11 * kSecond);
  CHECK(directory.losses().unremovable == 0);
  for (uint64_t t = 100; t < 103; t++) {
    directory.refresh(t * kSecond);
    CHECK(directory.losses().unremovable == 1);
  }
  REQUIRE(rmdir(path.c_str()) == 0);
  directory.refresh(200 * kSecond);
  CHECK(directory.losses().unremovable == 0);
}

TEST_CASE("the living keep their file, whatever their age") {
  TestDirectory parent;
  SegmentDirectory directory(parent.path, kSecond);
  TestSegment segment(parent.path, 1, "x");
  for (uint64_t t = 1; t < 100; t++) directory.refresh(t * 100 * kSecond);
  CHECK(directory.processes().size() == 1);
  CHECK_FALSE(only_file(parent.path).empty());
}

TEST_CASE("only one of two exporters removes, both forget") {
  TestDirectory parent;
  SegmentDirectory first(parent.path, kSecond), second(parent.path, kSecond);
  {
    TestSegment segment(parent.path, 1, "x");
    first.refresh(1 * kSecond);
    second.refresh(1 * kSecond);
  }
  first.refresh(2 * kSecond);
  second.refresh(2 * kSecond);
  first.refresh(100 * kSecond);
  CHECK(only_file(parent.path).empty());
  second.refresh(101 * kSecond);
  CHECK(first.processes().empty());
  CHECK(second.processes().empty());
}

TEST_CASE("a process that begins anew under its number takes the place of what it was") {
  TestDirectory parent;
  SegmentDirectory directory(parent.path, 30 * kSecond);
  TestSegment before(parent.path, 1, "web");
  directory.refresh(kSecond);
  before.end_process();
  TestSegment after(parent.path, 1, "web");
  directory.refresh(2 * kSecond);
  REQUIRE(directory.processes().size() == 1);
  CHECK_FALSE(directory.processes()[0]->dead_since_ns);
}

TEST_CASE("a refused file is counted once") {
  set_log_level(LogLevel::kError);
  TestDirectory parent;
  SegmentDirectory directory(parent.path, kSecond);
  std::ofstream(parent.path + "/junk") << "junk";
  for (uint64_t t = 1; t < 5; t++) directory.refresh(t * kSecond);
  CHECK(directory.losses().rejected.at(Rejection::kForeign) == 1);
  std::ofstream(parent.path + "/more") << "junk";
  directory.refresh(9 * kSecond);
  CHECK(directory.losses().rejected.at(Rejection::kForeign) == 2);
  directory.refresh(1000 * kSecond);
  CHECK(std::filesystem::exists(parent.path + "/junk"));  // what is not ours is not removed
}

TEST_CASE("what was lost stays counted when its segment is forgotten") {
  TestDirectory parent;
  SegmentDirectory directory(parent.path, kSecond);
  TestSegment segment(parent.path, 1, "x");
  directory.refresh(kSecond);
  looptap_fetch_add(&segment.segment.header->loops_dropped, 3);
  directory.read(kSecond);
  CHECK(directory.losses().dropped_loops == 3);
  looptap_fetch_add(&segment.segment.header->loops_dropped, 2);
  segment.end_process();
  directory.refresh(10 * kSecond);
  directory.refresh(20 * kSecond);
  CHECK(directory.processes().empty());
  CHECK(directory.losses().dropped_loops == 5);
}

TEST_CASE("figures of the dead stand at their exit, or where they were last seen alive") {
  TestDirectory parent;
  SegmentDirectory directory(parent.path, 30 * kSecond);
  TestSegment segment(parent.path, 1, "x");
  directory.refresh(10 * kSecond);
  CHECK(directory.processes()[0]->as_of(12 * kSecond) == 12 * kSecond);
  SECTION("it exited") {
    segment.segment.header->exited_ns = 11 * kSecond;
    segment.end_process();
    directory.refresh(15 * kSecond);
    CHECK(directory.processes()[0]->as_of(20 * kSecond) == 11 * kSecond);
  }
  SECTION("it was killed") {
    segment.end_process();
    directory.refresh(15 * kSecond);
    CHECK(directory.processes()[0]->as_of(20 * kSecond) == 10 * kSecond);
  }
  SECTION("it says that it exited tomorrow") {
    segment.segment.header->exited_ns = UINT64_MAX;
    segment.end_process();
    directory.refresh(15 * kSecond);
    CHECK(directory.processes()[0]->as_of(20 * kSecond) == 10 * kSecond);
  }
}
