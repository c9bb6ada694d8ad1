#include "exporter/sources/bpf/wanted_cgroups.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

namespace looptap {

namespace {

/// Where a hierarchy is mounted.
struct Mount {
  std::string point;
  dev_t device;
  bool is_v2;
  std::set<std::string> options;  ///< of the hierarchy: among others its controllers, or name=...
};

std::set<std::string> split_at_commas(const std::string& text) {
  std::set<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.insert(part);
  return parts;
}

/// A mount point as mountinfo writes it, with \040 for a space.
std::string unescape(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(strtol(text.substr(i + 1, 3).c_str(), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::vector<Mount> find_mounts() {
  // proc(5): number, parent, device, root, mount point, options, any number of fields, "-", type, source, options.
  std::ifstream lines("/proc/self/mountinfo");
  std::vector<Mount> mounts;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string skipped, point, field, type, options;
    unsigned major = 0, minor = 0;
    char colon = 0;
    fields >> skipped >> skipped >> major >> colon >> minor >> skipped >> point;
    while (fields >> field && field != "-") continue;
    fields >> type >> skipped >> options;
    if (type == "cgroup" || type == "cgroup2")
      mounts.push_back({unescape(point), makedev(major, minor), type == "cgroup2", split_at_commas(options)});
  }
  return mounts;
}

/// The kernel's number of a hierarchy; that of v2 is 0.
std::optional<uint32_t> number_of_hierarchy(const Mount& mount) {
  if (mount.is_v2) return 0;
  // cgroups(7): number, controllers or name=..., path.
  std::ifstream lines("/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto bound = split_at_commas(line.substr(first + 1, second - first - 1));
    if (!bound.empty() &&
        std::includes(mount.options.begin(), mount.options.end(), bound.begin(), bound.end()))
      return static_cast<uint32_t>(strtoul(line.c_str(), nullptr, 10));
  }
  return std::nullopt;
}

/// Nothing where the place is no directory of a hierarchy of cgroups.
std::optional<looptap_wanted_cgroup> cgroup_at(const std::string& place, const std::vector<Mount>& mounts) {
  struct statfs system {};
  struct stat facts {};
  if (statfs(place.c_str(), &system) || stat(place.c_str(), &facts) || !S_ISDIR(facts.st_mode) ||
      (system.f_type != CGROUP2_SUPER_MAGIC && system.f_type != CGROUP_SUPER_MAGIC))
    return std::nullopt;
  for (const Mount& mount : mounts) {
    if (mount.device != facts.st_dev) continue;
    if (const auto number = number_of_hierarchy(mount))
      return looptap_wanted_cgroup{facts.st_ino, *number, 0};
  }
  return std::nullopt;
}

}  // namespace

std::vector<looptap_wanted_cgroup> find_wanted_cgroups(const std::string& path) {
  const auto mounts = find_mounts();
  const std::string target = "--bpf.target=cgroup:" + path;
  if (mounts.empty())
    throw std::runtime_error(target + " needs a hierarchy of cgroups, v1 or v2: none is mounted");
  if (path.starts_with('/'))
    if (const auto cgroup = cgroup_at(path, mounts)) return {*cgroup};
  std::vector<looptap_wanted_cgroup> found;
  std::string places;
  for (const Mount& mount : mounts) {
    if (const auto cgroup = cgroup_at(mount.point + "/" + path, mounts)) found.push_back(*cgroup);
    places += (places.empty() ? "" : ", ") + mount.point;
  }
  if (found.empty())
    throw std::runtime_error(target + ": there is no such cgroup, neither by itself nor in " + places);
  return found;
}

}  // namespace looptap
