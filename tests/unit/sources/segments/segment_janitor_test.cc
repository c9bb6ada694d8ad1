// What is removed of the dead, by whom, and when.
#include "exporter/sources/segments/segment_janitor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

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

constexpr uid_t kNobody = 65534;

/// Another user's process, which holds a lock on a file that it has made, until this goes.
class OtherUser {
 public:
  OtherUser(const std::string& path, short lock_type) {
    int ready[2], end[2];
    REQUIRE((pipe(ready) == 0 && pipe(end) == 0));
    pid_ = fork();
    if (pid_ == 0) {
      close(end[1]);
      struct flock lock {};
      lock.l_type = lock_type;
      const bool ok = setuid(kNobody) == 0;
      const int fd = ok ? open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
      if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0 && write(ready[1], "x", 1) != 1) _exit(1);
      close(ready[1]);
      char byte;
      [[maybe_unused]] const ssize_t got = read(end[0], &byte, 1);  // until the other end is closed
      _exit(0);
    }
    close(ready[1]), close(end[0]);
    end_ = end[1];
    char byte = 0;
    holds_ = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
  }
  ~OtherUser() {
    close(end_);
    waitpid(pid_, nullptr, 0);
  }
  bool holds() const { return holds_; }

 private:
  pid_t pid_ = 0;
  int end_ = -1;
  bool holds_ = false;
};

void let_others_write(const std::string& directory) { REQUIRE(chmod(directory.c_str(), 01777) == 0); }

/// What is written to stderr meanwhile.
std::string told_by(const std::function<void()>& act) {
  char name[] = "/tmp/looptap-unit-XXXXXX";
  const int file = mkstemp(name), saved = dup(STDERR_FILENO);
  dup2(file, STDERR_FILENO);
  act();
  dup2(saved, STDERR_FILENO);
  close(saved), close(file);
  std::ifstream in(name);
  std::string text(std::istreambuf_iterator<char>(in), {});
  unlink(name);
  return text;
}

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

TEST_CASE("a lock that another user holds is told after two rounds, and stops only what is others'") {
  if (geteuid() != 0) {
    WARN("skipped: needs root, to be another user");
    return;
  }
  set_log_level(LogLevel::kWarn);
  TestDirectory directory;
  let_others_write(directory.path);
  const OtherUser other(directory.path + "/.janitor", F_WRLCK);
  REQUIRE(other.holds());
  const std::string ours = directory.path + "/1-1-1", theirs = directory.path + "/2-1-1";
  make_file(ours), make_file(theirs);
  REQUIRE(chown(theirs.c_str(), kNobody, kNobody) == 0);
  const SegmentJanitor::DeadFiles dead = {{"1-1-1", 0}, {"2-1-1", 0}};
  Exporter exporter(directory.path);

  CHECK(told_by([&] {
          for (const uint64_t t : {60, 120, 179}) exporter.clean_up(dead, t * kSecond);
        }).empty());
  CHECK(exists(ours));
  CHECK(exporter.janitor.unremovable() == 0);

  const std::string told = told_by([&] {
    for (const uint64_t t : {180, 181, 240}) exporter.clean_up(dead, t * kSecond);
  });
  CHECK_FALSE(exists(ours));
  CHECK(exists(theirs));
  CHECK(exporter.janitor.unremovable() == 1);
  CHECK(told.find("somebody else holds the lock of .janitor") != std::string::npos);
  CHECK(std::count(told.begin(), told.end(), '\n') == 1);
}

TEST_CASE("when the other user lets go, all is removed, and nothing is unremovable") {
  if (geteuid() != 0) {
    WARN("skipped: needs root, to be another user");
    return;
  }
  set_log_level(LogLevel::kError);
  TestDirectory directory;
  let_others_write(directory.path);
  const std::string theirs = directory.path + "/2-1-1";
  make_file(theirs);
  REQUIRE(chown(theirs.c_str(), kNobody, kNobody) == 0);
  Exporter exporter(directory.path);
  {
    const OtherUser other(directory.path + "/.janitor", F_WRLCK);
    REQUIRE(other.holds());
    exporter.clean_up({{"2-1-1", 0}}, 200 * kSecond);
    CHECK(exporter.janitor.unremovable() == 1);
  }
  exporter.clean_up({{"2-1-1", 0}}, 201 * kSecond);
  CHECK_FALSE(exists(theirs));
  CHECK(exporter.janitor.unremovable() == 0);
}

TEST_CASE("a file of our own that a process holds is not removed, whoever has .janitor") {
  TestDirectory directory;
  set_log_level(LogLevel::kError);
  TestSegment segment(directory.path, 1, "x");
  const std::string name = only_file(directory.path);
  const bool with_janitor = GENERATE(true, false);
  std::unique_ptr<Exporter> holder;
  if (!with_janitor) {
    make_file(directory.path + "/0-0-0");
    holder = std::make_unique<Exporter>(directory.path);
    holder->clean_up({{"0-0-0", 0}}, 100 * kSecond);  // so it has the lock
  }
  Exporter exporter(directory.path);
  exporter.clean_up({{name, 0}}, 200 * kSecond);  // somebody is mistaken about its death
  CHECK(exists(directory.path + "/" + name));
  segment.end_process();
  exporter.clean_up({{name, 0}}, 201 * kSecond);
  CHECK_FALSE(exists(directory.path + "/" + name));
}

TEST_CASE("a segment that its probe has not finished stays for as long as it holds the lock") {
  TestDirectory directory;
  Exporter exporter(directory.path);
  {
    TestSegment segment(directory.path, 1, "x");
    const std::string name = only_file(directory.path);
    std::filesystem::rename(directory.path + "/" + name, directory.path + "/." + name);  // as before its end
    exporter.clean_up({}, 1000 * kSecond);
    exporter.clean_up({}, 2000 * kSecond);
    CHECK(exists(directory.path + "/." + name));
    CHECK(exporter.janitor.is_waiting());
    segment.end_process();
    exporter.clean_up({}, 2001 * kSecond);
    CHECK_FALSE(exists(directory.path + "/." + name));
  }
}
