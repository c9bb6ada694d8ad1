#include "exporter/libc_files.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace looptap {

namespace {

namespace fs = std::filesystem;

bool is_glibc(const std::string& name) {
  return name == "libc.so.6" || (name.starts_with("libc-2.") && name.ends_with(".so"));
}
bool is_musl(const std::string& name) {
  return name.starts_with("ld-musl-") || name.starts_with("libc.musl-");
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
      std::string range, rights, offset, device, inode, path;
      fields >> range >> rights >> offset >> device >> inode >> path;
      const std::string name = path.substr(path.rfind('/') + 1);
      if (!is_glibc(name) && !is_musl(name)) continue;
      if (seen.insert(device + ' ' + inode).second)
        files.push_back({process + "/root" + path, is_musl(name)});
    }
  }
  return files;
}

}  // namespace looptap
