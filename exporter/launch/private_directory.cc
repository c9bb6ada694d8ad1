#include "exporter/launch/private_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace looptap {

namespace {

constexpr int kAttempts = 10;

/// Whether the path still leads to the open directory.
bool is_at(int directory, const std::string& path) {
  struct stat opened, found;
  return fstat(directory, &opened) == 0 && lstat(path.c_str(), &found) == 0 &&
         opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

}  // namespace

std::string PrivateDirectory::prefix() {
  struct stat name_space {};  // without /proc it is 0, and nobody looks for abandoned ones
  stat("/proc/self/ns/pid", &name_space);
  return "looptap-run-" + std::to_string(name_space.st_ino) + "-";
}

PrivateDirectory::PrivateDirectory(const std::vector<std::string>& parents, mode_t mode) {
  for (const std::string& parent : parents)
    if (make(parent, mode)) return;
  throw std::runtime_error(std::string("cannot make a private directory: ") + strerror(errno));
}

bool PrivateDirectory::make(const std::string& parent, mode_t mode) {
  // Another looptap may take it for abandoned before it is locked, and remove it. Then the next one is tried.
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    path_ = parent + "/" + prefix() + "XXXXXX";
    if (!mkdtemp(path_.data())) return false;
    lock_ = Descriptor(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (lock_.is_open()) {
      // Where there are no such locks, nobody who looks for abandoned ones gets one.
      const bool locked = flock(lock_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
      if (locked && is_at(lock_.get(), path_) && fchmod(lock_.get(), mode) == 0) return true;
      lock_ = Descriptor(-1);
    }
    rmdir(path_.c_str());
  }
  return false;
}

PrivateDirectory::~PrivateDirectory() { remove_directory(lock_.get(), path_.c_str()); }

void remove_directory(int directory, const char* path) noexcept {
  const int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const open = again >= 0 ? fdopendir(again) : nullptr;
  if (open) {
    while (const dirent* entry = readdir(open)) unlinkat(directory, entry->d_name, 0);
    closedir(open);
  } else if (again >= 0) {
    close(again);
  }
  rmdir(path);
}

}  // namespace looptap
