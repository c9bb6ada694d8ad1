// Numbers of cgroups, and their paths. Any tree of directories serves: a cgroup's number is its inode's.
#include "exporter/cgroup_paths.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/catch.h"
#include "tests/unit/test_segment.h"

using looptap::CgroupPaths;
using looptap::find_cgroup2_mount;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

uint64_t inode(const std::string& path) {
  struct stat facts;
  REQUIRE(stat(path.c_str(), &facts) == 0);
  return facts.st_ino;
}

uint64_t make(const std::string& path) {
  REQUIRE(mkdir(path.c_str(), 0755) == 0);
  return inode(path);
}

}  // namespace

TEST_CASE("the path of a cgroup is found by its number") {
  TestDirectory mount;
  const uint64_t system = make(mount.path + "/system.slice");
  const uint64_t redis = make(mount.path + "/system.slice/redis.service");
  CgroupPaths paths(mount.path);
  CHECK(paths.find(redis, 0) == "/system.slice/redis.service");
  CHECK(paths.find(system, 0) == "/system.slice");
  CHECK(paths.find(inode(mount.path), 0) == "/");
}

TEST_CASE("a new cgroup is found with the next look, which is a second after the last") {
  TestDirectory mount;
  CgroupPaths paths(mount.path);
  const uint64_t first = make(mount.path + "/first");
  CHECK(paths.find(first, 0) == "/first");
  const uint64_t second = make(mount.path + "/second");
  CHECK(paths.find(second, kSecond - 1) == std::nullopt);
  CHECK(paths.find(first, kSecond - 1) == "/first");
  CHECK(paths.find(second, kSecond) == "/second");
  CHECK(paths.find(first, kSecond) == "/first");
}

TEST_CASE("links are not followed, and what is no directory is no cgroup") {
  TestDirectory mount, elsewhere;
  const uint64_t outside = make(elsewhere.path + "/outside");
  REQUIRE(symlink(elsewhere.path.c_str(), (mount.path + "/link").c_str()) == 0);
  REQUIRE(mknod((mount.path + "/cgroup.procs").c_str(), S_IFREG | 0644, 0) == 0);
  CgroupPaths paths(mount.path);
  CHECK(paths.find(outside, 0) == std::nullopt);
  CHECK(paths.find(inode(mount.path + "/cgroup.procs"), kSecond) == std::nullopt);
}

TEST_CASE("without a mount no number is known") {
  CHECK(CgroupPaths("").find(1, 0) == std::nullopt);
  CHECK(CgroupPaths("/nowhere/at/all").find(1, 0) == std::nullopt);
}

TEST_CASE("the unified hierarchy is found where it is mounted") {
  const std::string mount = find_cgroup2_mount();
  if (mount.empty()) return;  // a machine with cgroup v1 only, or a chroot
  CHECK(access((mount + "/cgroup.procs").c_str(), F_OK) == 0);
  CHECK(CgroupPaths().find(inode(mount), 0) == "/");
}
