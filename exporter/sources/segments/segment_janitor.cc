#include "exporter/sources/segments/segment_janitor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "exporter/base/descriptor.h"
#include "exporter/base/limited_log.h"
#include "exporter/base/log.h"
#include "exporter/self/shortage.h"

namespace looptap {

namespace {

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

SegmentJanitor::~SegmentJanitor() {
  if (lock_ >= 0) close(lock_);
}

bool SegmentJanitor::hold_lock() {
  if (lock_ >= 0) return true;
  // Without O_CREAT first: fs.protected_regular refuses it on another user's file.
  Descriptor file(
      openat(directory_.descriptor(), SegmentDirectory::kJanitorName, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open() && errno == ENOENT) {
    file = Descriptor(openat(directory_.descriptor(), SegmentDirectory::kJanitorName,
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (file.is_open()) fchmod(file.get(), 0666);  // past the umask: another user's exporter may take over
  }
  struct flock lock = whole_file();
  if (!file.is_open() || fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
    const bool is_new = std::exchange(refused_, errno) != errno;
    if (!file.is_open() && self::is_shortage(errno))
      self::tell_of_shortage(errno, "cannot open .janitor");
    else if (!file.is_open() && errno != EEXIST && is_new)
      log(LogLevel::kWarn,
          directory_.path() +
              ": only this user's segments of dead processes will be removed: .janitor: " + strerror(errno));
    return false;
  }
  refused_ = 0;
  lock_ = file.release();
  return true;
}

bool SegmentJanitor::remove(const SegmentDirectory::File& file, By who) {
  // Asking takes the right to read, locking that to write.
  const int access = who == By::kOwner ? O_RDWR : O_RDONLY;
  const Descriptor opened(openat(directory_.descriptor(), file.name.c_str(),
                                 access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat facts;
  if (!opened.is_open() || fstat(opened.get(), &facts) != 0) {
    if (errno == ENOENT) return true;
    if (self::is_shortage(errno)) {
      self::tell_of_shortage(errno, "cannot open a segment of a dead process");
      return true;
    }
    if (who == By::kOwner) return false;
    if (errno == ELOOP || errno == ENXIO)
      unlink(file);  // no file that a process could hold a lock on
    else
      cannot_remove(file, errno);
    return true;
  }
  if (facts.st_ino != file.inode) return true;
  if (who == By::kOwner && facts.st_uid != geteuid()) return false;
  struct flock lock = whole_file();
  if (fcntl(opened.get(), who == By::kOwner ? F_OFD_SETLK : F_OFD_GETLK, &lock) != 0) return true;
  // A probe locks its file before it gives it its name: who lives, or is on the way, holds the lock.
  if (who == By::kJanitor && lock.l_type != F_UNLCK) return true;
  unlink(file);
  return true;
}

void SegmentJanitor::unlink(const SegmentDirectory::File& file) {
  const int directory = directory_.descriptor();
  struct stat facts;
  // Another file may have taken the name since the listing.
  if (fstatat(directory, file.name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0 || facts.st_ino != file.inode)
    return;
  if (unlinkat(directory, file.name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (!self::is_shortage(errno)) cannot_remove(file, errno);
}

void SegmentJanitor::cannot_remove(const SegmentDirectory::File& file, int error) {
  unremovable_files_.insert(file.name);
  static LimitedLog failures(LogLevel::kWarn, "files that cannot be removed");
  failures.write(
      [&] { return "cannot remove " + directory_.path() + "/" + file.name + ": " + strerror(error); });
}

void SegmentJanitor::tell_of_overdue(size_t overdue) {
  if (lock_ >= 0) overdue_is_told_ = false;
  if (!overdue || std::exchange(overdue_is_told_, true)) return;
  static LimitedLog failures(LogLevel::kWarn, "files of the dead that nobody removes");
  failures.write([&] {
    return directory_.path() + ": nobody removes the segments of dead processes (" + std::to_string(overdue) +
           " overdue): " +
           (refused_ == EAGAIN || refused_ == EACCES
                ? "somebody else holds the lock of .janitor"
                : std::string(".janitor cannot be locked: ") + strerror(refused_)) +
           "; this exporter removes those of its own user, uid " + std::to_string(geteuid());
  });
}

void SegmentJanitor::clean_up(const SegmentDirectory::Listing& listing, const DeadFiles& dead,
                              uint64_t now_ns) {
  // What is remembered is only of files that are still there, or it would grow for ever.
  std::map<std::string, uint64_t> unpublished_files;
  std::set<std::string> unremovable_files;
  std::optional<bool> holds_lock;  // asked once in a round, and only where something is due
  size_t overdue = 0, overdue_of_others = 0;
  const auto clean = [&](const SegmentDirectory::File& file, uint64_t dead_since_ns) {
    if (now_ns < dead_since_ns + kRemoveAfter_ns) return;
    if (!unremovable_files_.contains(file.name)) {
      if (!holds_lock) holds_lock = hold_lock();
      if (*holds_lock)
        remove(file, By::kJanitor);
      else if (now_ns >= dead_since_ns + kOverdueAfter_ns) {
        overdue++;
        if (!remove(file, By::kOwner)) overdue_of_others++;
      }
    }
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
  overdue_ = overdue_of_others;
  tell_of_overdue(overdue);
}

}  // namespace looptap
