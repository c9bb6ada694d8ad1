#include "exporter/sources/bpf/libc_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>

namespace looptap {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDeleted = " (deleted)";

bool is_glibc(const std::string& name) {
  return name == "libc.so.6" || (name.starts_with("libc-2.") && name.ends_with(".so"));
}
/// Its loader is its libc; as it installs itself, and in Debian, that is a link to lib/musl/libc.so or the like.
bool is_musl(const std::string& path, const std::string& name) {
  return name.starts_with("ld-musl-") || name.starts_with("libc.musl-") ||
         (name == "libc.so" && path.find("musl") != std::string::npos);
}

uint64_t inode_of(const std::string& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0 ? facts.st_ino : 0;
}

/// A path by which we can open a file that a process has mapped: in a container it is the path there; under a chroot it
/// is ours; and a file that has been replaced by a newer one has none but this last one, which takes privileges.
std::string path_for_us(const std::string& process, const std::string& range, const std::string& path,
                        uint64_t inode) {
  for (const std::string& place : {process + "/root" + path, path})
    if (inode_of(place) == inode) return place;
  return process + "/map_files/" + range;
}

}  // namespace

std::vector<LibcFile> find_libc_files(const std::vector<uint32_t>& pids) {
  std::vector<std::string> processes;
  for (const uint32_t pid : pids) processes.push_back("/proc/" + std::to_string(pid));
  std::error_code error;
  if (pids.empty())
    for (const auto& entry : fs::directory_iterator("/proc", error))
      if (isdigit(static_cast<unsigned char>(entry.path().filename().c_str()[0])))
        processes.push_back(entry.path());

  std::vector<LibcFile> files;
  std::set<std::string> seen;  // device and inode
  for (const std::string& process : processes) {
    std::ifstream maps(process + "/maps");
    for (std::string line; std::getline(maps, line);) {
      std::istringstream fields(line);
      std::string range, rights, offset, device, path;
      uint64_t inode = 0;
      fields >> range >> rights >> offset >> device >> inode >> std::ws;
      std::getline(fields, path);
      if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
      const std::string name = path.substr(path.rfind('/') + 1);
      if (!is_glibc(name) && !is_musl(path, name)) continue;
      if (seen.insert(device + ' ' + std::to_string(inode)).second)
        files.push_back({path_for_us(process, range, path, inode), is_musl(path, name)});
    }
  }
  return files;
}

}  // namespace looptap
