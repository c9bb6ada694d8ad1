// The path of a cgroup, by the number that the kernel gives it (bpf_get_current_cgroup_id).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace looptap {

/// Where the unified hierarchy (cgroup v2) is mounted: /sys/fs/cgroup, or a directory within it where v1 is in
/// use beside it. Empty where it is nowhere.
std::string find_cgroup2_mount();

/// Looks into the hierarchy only when it is asked for a number that it does not know, and then at all of it: the number
/// is the directory's inode, and nothing leads from there to the path without a privilege. In a container only the part
/// is seen that is mounted there. Not thread-safe.
class CgroupPaths {
 public:
  /// \param mount: of the unified hierarchy; where it is empty or cannot be read no number is known.
  explicit CgroupPaths(std::string mount = find_cgroup2_mount());

  /// The path under the mount, as in /proc/PID/cgroup: "/" for the mount itself. Nothing where no such cgroup is
  /// seen. Unknown numbers cause one look in a second (of `now_ns`, any monotonic clock), however many they are.
  std::optional<std::string> find(uint64_t cgroup_id, uint64_t now_ns);

 private:
  void look();

  std::string mount_;
  std::unordered_map<uint64_t, std::string> paths_;
  std::optional<uint64_t> looked_ns_;
};

}  // namespace looptap
