#include "exporter/sources/segments/segment_janitor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "exporter/base/limited_log.h"
#include "exporter/base/log.h"

namespace looptap {

SegmentJanitor::~SegmentJanitor() {
  if (lock_ >= 0) close(lock_);
}

bool SegmentJanitor::hold_lock() {
  if (lock_ >= 0) return true;
  if (lock_refused_) return false;
  // Without O_CREAT first: fs.protected_regular refuses it on another user's file.
  int fd = openat(directory_.descriptor(), SegmentDirectory::kJanitorName, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    fd = openat(directory_.descriptor(), SegmentDirectory::kJanitorName,
                O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) fchmod(fd, 0666);  // past the umask: another user's exporter may take over
  }
  if (fd < 0) {
    lock_refused_ = errno != EEXIST;
    if (lock_refused_)
      log(LogLevel::kWarn,
          directory_.path() + ": the segments of dead processes will not be removed: " + strerror(errno));
    return false;
  }
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    close(fd);
    return false;
  }
  lock_ = fd;
  return true;
}

void SegmentJanitor::remove(const SegmentDirectory::File& file) {
  const int directory = directory_.descriptor();
  struct stat facts;
  // Another file may have taken the name since the listing.
  if (fstatat(directory, file.name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0 || facts.st_ino != file.inode)
    return;
  if (unlinkat(directory, file.name.c_str(), 0) == 0) return;
  unremovable_files_.insert(file.name);
  static LimitedLog failures(LogLevel::kWarn, "files that cannot be removed");
  failures.write("cannot remove " + directory_.path() + "/" + file.name + ": " + strerror(errno));
}

void SegmentJanitor::clean_up(const SegmentDirectory::Listing& listing, const DeadFiles& dead,
                              uint64_t now_ns) {
  // What is remembered is only of files that are still there, or it would grow for ever.
  std::map<std::string, uint64_t> unpublished_files;
  std::set<std::string> unremovable_files;
  const auto clean = [&](const SegmentDirectory::File& file, uint64_t dead_since_ns) {
    if (now_ns >= dead_since_ns + kRemoveAfter_ns && !unremovable_files_.contains(file.name) && hold_lock())
      remove(file);
    if (unremovable_files_.contains(file.name)) unremovable_files.insert(file.name);
  };
  for (const auto& file : listing.unpublished) {
    const auto known = unpublished_files_.find(file.name);
    const uint64_t since_ns = known == unpublished_files_.end() ? now_ns : known->second;
    unpublished_files.emplace(file.name, since_ns);
    clean(file, since_ns);
  }
  for (const auto& file : listing.segments)
    if (const auto found = dead.find(file.name); found != dead.end()) clean(file, found->second);
  unpublished_files_ = std::move(unpublished_files);
  unremovable_files_ = std::move(unremovable_files);
}

}  // namespace looptap
