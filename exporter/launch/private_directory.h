// A directory that lives as long as this process. If we are killed, the next `looptap run` removes it
// (abandoned_directories.h): a lock on the directory, flock(2), says that its owner lives.
//
// Thread-safety: none. Errors: std::runtime_error from the constructor.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "exporter/base/descriptor.h"

namespace looptap {

class PrivateDirectory {
 public:
  /// What the names of all those begin with that are of this PID namespace: from another one, which may share /dev/shm, nobody
  /// sees whether their programs live.
  static std::string prefix();

  /// In the first of the parents that lets us make one.
  PrivateDirectory(const std::vector<std::string>& parents, mode_t mode);
  /// Removes it, and the files in it.
  ~PrivateDirectory();
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  bool make(const std::string& parent, mode_t mode);

  std::string path_;
  Descriptor lock_{-1};
};

/// Removes the files of an open directory, and then the directory. A directory within it stays, and it with that.
void remove_directory(int directory, const char* path) noexcept;

}  // namespace looptap
