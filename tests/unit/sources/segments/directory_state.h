// Everything that one program could change for another in a directory: its files, byte for byte, and their locks.
#pragma once

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

/// The lines of /proc/locks about a file, without their ordinals.
inline std::vector<std::string> locks_of(const struct stat& facts) {
  char file[64];
  snprintf(file, sizeof file, " %02x:%02x:%llu ", major(facts.st_dev), minor(facts.st_dev),
           static_cast<unsigned long long>(facts.st_ino));
  std::vector<std::string> locks;
  std::ifstream all("/proc/locks");
  for (std::string line; std::getline(all, line);)
    if (line.find(file) != std::string::npos) locks.push_back(line.substr(line.find(':') + 1));
  std::sort(locks.begin(), locks.end());
  return locks;
}

/// A line for the directory and each of its files, hidden ones too: name, inode, mode, size, dates of its last change,
/// content, locks. Two of them are equal where nothing was changed in between.
inline std::vector<std::string> state_of(const std::string& directory) {
  std::vector<std::string> lines;
  const auto add = [&](const std::filesystem::path& path) {
    struct stat facts {};
    lstat(path.c_str(), &facts);
    std::ostringstream line;
    line << path.filename().string() << " inode " << facts.st_ino << " mode " << facts.st_mode << " links "
         << facts.st_nlink << " size " << facts.st_size << " changed " << facts.st_mtim.tv_sec << "."
         << facts.st_mtim.tv_nsec << " " << facts.st_ctim.tv_sec << "." << facts.st_ctim.tv_nsec;
    for (const std::string& lock : locks_of(facts)) line << " lock" << lock;
    if (S_ISREG(facts.st_mode)) {
      std::ifstream file(path, std::ios::binary);
      line << " content " << std::string(std::istreambuf_iterator<char>(file), {});
    }
    lines.push_back(line.str());
  };
  add(directory);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) add(entry.path());
  std::sort(lines.begin(), lines.end());
  return lines;
}
