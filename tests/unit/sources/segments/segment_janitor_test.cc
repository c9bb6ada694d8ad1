// What is removed of the dead, by whom, and when.
#include "exporter/sources/segments/segment_janitor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "exporter/base/log.h"
#include "tests/unit/catch.h"
#include "tests/unit/test_segment.h"

using namespace looptap;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

/// One exporter's view of the directory, and its janitor.
struct Exporter {
  explicit Exporter(const std::string& path) : directory(path), janitor(directory) {}
  void clean_up(const SegmentJanitor::DeadFiles& dead, uint64_t now_ns) {
    janitor.clean_up(*directory.list(), dead, now_ns);
  }
  SegmentDirectory directory;
  SegmentJanitor janitor;
};

void make_file(const std::string& path) { std::ofstream(path) << "x"; }
bool exists(const std::string& path) { return std::filesystem::exists(path); }

}  // namespace

TEST_CASE("a dead process' file is removed a minute after its death, and no other") {
  TestDirectory directory;
  make_file(directory.path + "/1-1-1");
  make_file(directory.path + "/2-1-1");
  make_file(directory.path + "/.hidden");
  Exporter exporter(directory.path);
  exporter.clean_up({{"1-1-1", 10 * kSecond}}, 69 * kSecond);
  CHECK(exists(directory.path + "/1-1-1"));
  CHECK_FALSE(exists(directory.path + "/.janitor"));  // nothing was due
  exporter.clean_up({{"1-1-1", 10 * kSecond}}, 70 * kSecond);
  CHECK_FALSE(exists(directory.path + "/1-1-1"));
  CHECK(exists(directory.path + "/2-1-1"));
  CHECK(exists(directory.path + "/.hidden"));
  CHECK(exporter.janitor.unremovable() == 0);
}

TEST_CASE("only one of two removes; when it is gone the other does") {
  TestDirectory directory;
  auto first = std::make_unique<Exporter>(directory.path);
  Exporter second(directory.path);
  make_file(directory.path + "/1-1-1");
  first->clean_up({{"1-1-1", 0}}, 100 * kSecond);
  CHECK_FALSE(exists(directory.path + "/1-1-1"));
  make_file(directory.path + "/2-1-1");
  second.clean_up({{"2-1-1", 0}}, 100 * kSecond);
  CHECK(exists(directory.path + "/2-1-1"));
  first.reset();
  second.clean_up({{"2-1-1", 0}}, 100 * kSecond);
  CHECK_FALSE(exists(directory.path + "/2-1-1"));
}

TEST_CASE("another user's exporter may take the lock over") {
  TestDirectory directory;
  const mode_t before = umask(0077);
  make_file(directory.path + "/1-1-1");
  Exporter(directory.path).clean_up({{"1-1-1", 0}}, 100 * kSecond);
  umask(before);
  struct stat facts {};
  REQUIRE(stat((directory.path + "/.janitor").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0666);
}

TEST_CASE("a segment that its probe never finished is removed a minute after it was first seen") {
  TestDirectory directory;
  const std::string path = directory.path + "/.1-1-1";
  make_file(path);
  Exporter exporter(directory.path);
  CHECK_FALSE(exporter.janitor.is_waiting());
  exporter.clean_up({}, 1000 * kSecond);
  CHECK(exporter.janitor.is_waiting());
  exporter.clean_up({}, 1059 * kSecond);
  CHECK(exists(path));
  exporter.clean_up({}, 1060 * kSecond);
  CHECK_FALSE(exists(path));
  exporter.clean_up({}, 1061 * kSecond);
  CHECK_FALSE(exporter.janitor.is_waiting());
}

TEST_CASE("a file that took a dead one's name after the listing stays") {
  TestDirectory directory;
  const std::string path = directory.path + "/1-1-1";
  make_file(path);
  Exporter exporter(directory.path);
  const auto listing = exporter.directory.list();
  make_file(directory.path + "/new");
  std::filesystem::rename(directory.path + "/new", path);
  exporter.janitor.clean_up(*listing, {{"1-1-1", 0}}, 100 * kSecond);
  CHECK(exists(path));
  exporter.clean_up({{"1-1-1", 0}}, 100 * kSecond);  // null control: with a new listing it goes
  CHECK_FALSE(exists(path));
}

TEST_CASE("what may not be removed is counted for as long as it is there") {
  set_log_level(LogLevel::kError);
  TestDirectory directory;
  const std::string path = directory.path + "/1-1-1";
  REQUIRE(mkdir(path.c_str(), 0700) == 0);  // which unlink refuses to anybody
  Exporter exporter(directory.path);
  exporter.clean_up({{"1-1-1", 10 * kSecond}}, 20 * kSecond);
  CHECK(exporter.janitor.unremovable() == 0);
  for (uint64_t t = 100; t < 103; t++) {
    exporter.clean_up({{"1-1-1", 10 * kSecond}}, t * kSecond);
    CHECK(exporter.janitor.unremovable() == 1);
  }
  REQUIRE(rmdir(path.c_str()) == 0);
  exporter.clean_up({}, 200 * kSecond);
  CHECK(exporter.janitor.unremovable() == 0);
}

TEST_CASE("where .janitor cannot be opened nothing is removed") {
  set_log_level(LogLevel::kError);
  TestDirectory directory;
  REQUIRE(symlink("/dev/null", (directory.path + "/.janitor").c_str()) == 0);
  make_file(directory.path + "/1-1-1");
  Exporter exporter(directory.path);
  exporter.clean_up({{"1-1-1", 0}}, 100 * kSecond);
  CHECK(exists(directory.path + "/1-1-1"));
}
