#include "exporter/procfs/proc_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "exporter/base/descriptor.h"
#include "exporter/self/shortage.h"

namespace looptap {

namespace {
constexpr unsigned kShare_percent = 50;  // of the descriptors; segments go further (segment_file.cc)
}

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
  if (fd_ < 0) {
    if (self::is_shortage(errno)) self::tell_of_shortage(errno, "cannot open a file of /proc");
    return {};
  }
  const ssize_t got = pread(fd_, buffer, size, 0);
  if (got < 0 && self::is_shortage(errno)) {
    self::tell_of_shortage(errno, "cannot read a file of /proc");
    if (was_open) return {};  // it is still the same process'
  }
  if (got <= 0 || (!was_open && !may_stay_open(fd_, kShare_percent))) close();
  return {buffer, got > 0 ? static_cast<size_t>(got) : 0};
}

}  // namespace looptap
