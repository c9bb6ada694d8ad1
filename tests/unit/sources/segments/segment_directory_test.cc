// A look at a segment directory, which changes nothing.
#include "exporter/sources/segments/segment_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter/base/log.h"
#include "exporter/sources/segments/segment_janitor.h"
#include "tests/unit/catch.h"
#include "tests/unit/sources/segments/directory_state.h"
#include "tests/unit/test_segment.h"

using namespace looptap;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

std::vector<std::string> names(const std::vector<SegmentDirectory::File>& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.name);
  std::sort(names.begin(), names.end());
  return names;
}

/// A living process, a dead one, a probe that died on the way, and what is no segment.
struct Populated {
  Populated() {
    dead.end_process();
    std::ofstream(directory.path + "/.123-4-5") << "half";
    std::ofstream(directory.path + "/.hidden") << "not of a probe";
    std::ofstream(directory.path + "/junk") << "junk";
    REQUIRE(symlink("/etc/passwd", (directory.path + "/link").c_str()) == 0);
    REQUIRE(mkfifo((directory.path + "/fifo").c_str(), 0666) == 0);
  }
  TestDirectory directory;
  TestSegment alive{directory.path, 2, "alive"}, dead{directory.path, 2, "dead"};
};

/// All that can be done with a SegmentDirectory, as `top` and `doctor` do it.
void look_at_everything(const std::string& path) {
  SegmentDirectory directory(path);
  for (int i = 0; i < 2; i++) {
    (void)directory.may_have_changed();
    (void)directory.loses_locks();
    const auto listing = directory.list();
    REQUIRE(listing);
    for (const auto& file : listing->segments) {
      std::optional<Rejection> why;
      const auto segment = directory.open(file.name, why);
      if (!segment) continue;
      (void)segment->alive();
      (void)segment->exited_ns();
      (void)segment->read(monotonic_now_ns(), true);
    }
  }
}

}  // namespace

TEST_CASE("a listing has what may be a segment, and what a probe has not finished") {
  Populated populated;
  SegmentDirectory directory(populated.directory.path);
  const auto listing = directory.list();
  REQUIRE(listing);
  CHECK(listing->segments.size() == 5);
  CHECK(names(listing->unpublished) == std::vector<std::string>{".123-4-5"});
  CHECK_FALSE(listing->is_cut_off);
}

TEST_CASE("each file is opened, rejected or gone") {
  Populated populated;
  SegmentDirectory directory(populated.directory.path);
  std::optional<Rejection> why;
  CHECK_FALSE(directory.open("junk", why));
  CHECK(why == Rejection::kForeign);
  CHECK_FALSE(directory.open("link", why));
  CHECK(why == Rejection::kNotAFile);
  CHECK_FALSE(directory.open("fifo", why));
  CHECK(why == Rejection::kNotAFile);
  CHECK_FALSE(directory.open("gone", why));
  CHECK_FALSE(why);
  const auto listing = directory.list();
  REQUIRE(listing);
  std::map<std::string, bool> lives;
  for (const auto& file : listing->segments)
    if (const auto segment = directory.open(file.name, why))
      lives[segment->identity().name] = segment->alive();
  CHECK(lives == std::map<std::string, bool>{{"alive", true}, {"dead", false}});
}

TEST_CASE("a look leaves a directory byte for byte and lock for lock as it was") {
  set_log_level(LogLevel::kError);
  Populated populated;
  const std::string& path = populated.directory.path;
  const std::vector<std::string> before = state_of(path);
  CHECK(before.size() == 8);
  CHECK(std::any_of(before.begin(), before.end(),
                    [](const std::string& line) { return line.find(" lock") != std::string::npos; }));
  SECTION("a look") {
    look_at_everything(path);
    CHECK(state_of(path) == before);
  }
  SECTION("while it stands open, there is no lock more") {
    SegmentDirectory directory(path);
    std::optional<Rejection> why;
    std::vector<std::unique_ptr<SegmentFile>> open;
    const auto listing = directory.list();
    REQUIRE(listing);
    for (const auto& file : listing->segments) open.push_back(directory.open(file.name, why));
    CHECK(state_of(path) == before);
  }
  SECTION("null control: the janitor removes, and its lock is seen") {
    SegmentDirectory directory(path);
    SegmentJanitor janitor(directory);
    janitor.clean_up(*directory.list(), {}, kSecond);
    janitor.clean_up(*directory.list(), {}, 100 * kSecond);
    const std::vector<std::string> after = state_of(path);
    CHECK(after != before);
    CHECK(std::any_of(after.begin(), after.end(), [](const std::string& line) {
      return line.starts_with(".janitor") && line.find("WRITE") != std::string::npos;
    }));
  }
  SECTION("null control: another lock is seen") {
    const int fd = open((path + "/junk").c_str(), O_RDONLY | O_CLOEXEC);
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    REQUIRE(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    CHECK(state_of(path) != before);
    close(fd);
  }
}

TEST_CASE("what cannot be looked at is an error, and is not made") {
  TestDirectory parent;
  CHECK_THROWS_AS(SegmentDirectory(parent.path + "/missing"), std::runtime_error);
  CHECK_FALSE(std::filesystem::exists(parent.path + "/missing"));
  std::filesystem::create_directory_symlink(parent.path, parent.path + "/link");
  CHECK_THROWS_AS(SegmentDirectory(parent.path + "/link"), std::runtime_error);
  std::ofstream(parent.path + "/file") << "";
  CHECK_THROWS_AS(SegmentDirectory(parent.path + "/file"), std::runtime_error);
}

TEST_CASE("a listing holds until the directory changes, or is another one") {
  TestDirectory parent;
  const std::string path = parent.path + "/segments";
  std::filesystem::create_directory(path);
  SegmentDirectory directory(path);
  CHECK(directory.may_have_changed());
  // Dated well before now, since a change of just now may be followed by one of the same date.
  const auto date = [&](int64_t seconds) {
    const timespec dates[2] = {{seconds, 0}, {seconds, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), dates, 0) == 0);
  };
  date(1000);
  REQUIRE(directory.list());
  CHECK_FALSE(directory.may_have_changed());
  SECTION("a file more") {
    std::ofstream(path + "/1-1-1") << "";
    CHECK(directory.may_have_changed());
    CHECK(directory.list()->segments.size() == 1);
    CHECK(directory.may_have_changed());  // it was just now
  }
  SECTION("replaced by one of the same date") {
    std::filesystem::rename(path, parent.path + "/old");
    std::filesystem::create_directory(path);
    date(1000);
    CHECK(directory.may_have_changed());
    std::ofstream(path + "/1-1-1") << "";
    CHECK(directory.list()->segments.size() == 1);
  }
  SECTION("gone") {
    std::filesystem::remove(path);
    CHECK(directory.may_have_changed());
    CHECK_FALSE(directory.list());
  }
}
