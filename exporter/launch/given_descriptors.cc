#include "exporter/launch/given_descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

namespace looptap {

namespace {

constexpr int kMostWithoutProc = 65'536;

/// What came by exec, which leaves nothing open that is to be closed by it. A preloaded library's own files are not among them.
bool is_given(int fd) {
  const int flags = fcntl(fd, F_GETFD);
  return flags >= 0 && !(flags & FD_CLOEXEC);
}

std::vector<int> list_given() {
  std::vector<int> given;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir("/proc/self/fd"), closedir);
  if (open) {
    while (const dirent* entry = readdir(open.get()))
      if (const int fd = atoi(entry->d_name); entry->d_name[0] != '.' && is_given(fd)) given.push_back(fd);
  } else {
    for (int fd = 0; fd < kMostWithoutProc; fd++)
      if (is_given(fd)) given.push_back(fd);
  }
  return given;
}

/// Closing any descriptor of a file gives up every POSIX lock that the process has on it. One that was taken before exec
/// keeps others out for as long as we live.
bool holds_posix_lock(int fd) {
  std::ifstream facts("/proc/self/fdinfo/" + std::to_string(fd));
  for (std::string line; std::getline(facts, line);)
    if (line.starts_with("lock:") && line.find("POSIX") != std::string::npos) return true;
  return false;
}

}  // namespace

void occupy_standard_descriptors() {
  int fd;
  while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO) continue;
  if (fd >= 0) close(fd);
}

GivenDescriptors::GivenDescriptors() : given_(list_given()) {}

void GivenDescriptors::leave_to_program() const {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : given_) {
    if (fd == STDERR_FILENO || holds_posix_lock(fd)) continue;
    if (fd > STDERR_FILENO)
      close(fd);
    else if (nothing >= 0)
      dup3(nothing, fd, O_CLOEXEC);
  }
  if (nothing >= 0) close(nothing);
}

}  // namespace looptap
