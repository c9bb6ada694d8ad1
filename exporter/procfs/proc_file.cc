#include "exporter/procfs/proc_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

namespace looptap {

namespace {

/// The kernel gives the lowest number that is free: it tells how many are in use.
bool is_in_lower_half(int fd) {
  rlimit descriptors{};
  return getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && static_cast<rlim_t>(fd) < descriptors.rlim_cur / 2;
}

}  // namespace

ProcFile::ProcFile(ProcFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

ProcFile& ProcFile::operator=(ProcFile&& other) noexcept {
  close();
  path_ = std::move(other.path_);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

void ProcFile::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::string_view ProcFile::read(char* buffer, size_t size) {
  const bool was_open = fd_ >= 0;
  if (!was_open) fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return {};
  const ssize_t got = pread(fd_, buffer, size, 0);
  if (got <= 0 || (!was_open && !is_in_lower_half(fd_))) close();
  return {buffer, got > 0 ? static_cast<size_t>(got) : 0};
}

}  // namespace looptap
