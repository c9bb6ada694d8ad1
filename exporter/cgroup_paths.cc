#include "exporter/cgroup_paths.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>

namespace looptap {

namespace {

constexpr uint64_t kBetweenLooks_ns = 1'000'000'000;
// Far more than a node has. Whoever makes more of them in a corner of his own is seen last: the look is by levels.
constexpr size_t kMostCgroups = 1 << 16;

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

}  // namespace

std::string find_cgroup2_mount() {
  // proc(5): number, parent, device, root, mount point, options, any number of fields, "-", type.
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string skipped, point, field;
    fields >> skipped >> skipped >> skipped >> skipped >> point;
    while (fields >> field && field != "-") continue;
    if (fields >> field && field == "cgroup2") return unescape(point);
  }
  return "";
}

CgroupPaths::CgroupPaths(std::string mount) : mount_(std::move(mount)) {}

std::optional<std::string> CgroupPaths::find(uint64_t cgroup_id, uint64_t now_ns) {
  auto found = paths_.find(cgroup_id);
  if (found == paths_.end() && (!looked_ns_ || now_ns - *looked_ns_ >= kBetweenLooks_ns)) {
    look();
    looked_ns_ = now_ns;
    found = paths_.find(cgroup_id);
  }
  return found == paths_.end() ? std::nullopt : std::optional(found->second);
}

void CgroupPaths::look() {
  paths_.clear();
  struct stat root;
  if (mount_.empty() || stat(mount_.c_str(), &root)) return;
  paths_.emplace(root.st_ino, "/");
  std::deque<std::string> unread = {""};
  while (!unread.empty()) {
    const std::string parent = std::move(unread.front());
    unread.pop_front();
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir((mount_ + parent).c_str()), closedir);
    if (!directory) continue;
    while (const dirent* entry = readdir(directory.get())) {
      if (entry->d_type != DT_DIR || std::string_view(entry->d_name) == "." ||
          std::string_view(entry->d_name) == "..")
        continue;
      if (paths_.size() == kMostCgroups) return;
      unread.push_back(parent + '/' + entry->d_name);
      paths_[entry->d_ino] = unread.back();
    }
  }
}

}  // namespace looptap
