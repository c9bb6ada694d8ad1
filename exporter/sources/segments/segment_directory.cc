#include "exporter/sources/segments/segment_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include "exporter/self/shortage.h"

namespace looptap {

namespace {

// Far above the 1 to 10 ms between two ticks of the clock that dates changes.
constexpr int64_t kDateGrain_ns = 1'000'000'000;

int64_t ns_of(const timespec& time) { return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec; }

int open_directory(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

}  // namespace

SegmentDirectory::SegmentDirectory(std::string path)
    : path_(std::move(path)), descriptor_(open_directory(path_)) {
  if (descriptor_ >= 0) return;
  const bool link = errno == ELOOP || errno == ENOTDIR;
  throw std::runtime_error("cannot read the segment directory " + path_ + ": " +
                           (link ? "it is not a directory (symlinks are not followed)" : strerror(errno)));
}

SegmentDirectory::~SegmentDirectory() { close(descriptor_); }

bool SegmentDirectory::may_have_changed() const {
  struct stat now {};
  return !listing_is_dated_ || lstat(path_.c_str(), &now) != 0 || now.st_dev != listed_.st_dev ||
         now.st_ino != listed_.st_ino || ns_of(now.st_mtim) != ns_of(listed_.st_mtim);
}

std::optional<SegmentDirectory::Listing> SegmentDirectory::list() {
  // Opened anew: the directory may have been replaced, and reading it moves the descriptor's position.
  listing_is_dated_ = false;
  const int fd = open_directory(path_);
  if (fd < 0) {
    if (self::is_shortage(errno)) self::tell_of_shortage(errno, "cannot list the segment directory");
    return std::nullopt;
  }
  // Closes fd, too.
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd), closedir);
  if (!stream) {
    const int error = errno;
    close(fd);
    self::tell_of_shortage(error, "cannot list the segment directory");
    return std::nullopt;
  }
  if (dup3(fd, descriptor_, O_CLOEXEC) < 0) return std::nullopt;
  // The clock that dates changes ticks every few milliseconds: a change just now may be followed by one of the same date.
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const bool is_dated = fstat(fd, &listed_) == 0 && ns_of(listed_.st_mtim) + kDateGrain_ns < ns_of(now);
  Listing listing;
  size_t looked_at = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (!entry && errno) return std::nullopt;  // not the end of them
    if (!entry) break;
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || name == kJanitorName) continue;
    if (looked_at++ == kMaxFiles) {
      listing.is_cut_off = true;
      break;
    }
    if (name[0] != '.')
      listing.segments.push_back({name, entry->d_ino});
    else if (isdigit(static_cast<unsigned char>(name[1])))
      listing.unpublished.push_back({name, entry->d_ino});
  }
  listing_is_dated_ = is_dated;
  return listing;
}

std::unique_ptr<SegmentFile> SegmentDirectory::open(const std::string& name,
                                                    std::optional<Rejection>& why) const {
  why.reset();
  Rejection rejection{};
  auto file = SegmentFile::open(descriptor_, name, rejection);
  struct stat facts;
  // Gone between the listing and now: its process ended, and a janitor removed it.
  if (!file && fstatat(descriptor_, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0) why = rejection;
  return file;
}

bool SegmentDirectory::loses_locks() const {
  struct statfs system {};
  return fstatfs(descriptor_, &system) == 0 && system.f_type == OVERLAYFS_SUPER_MAGIC;
}

}  // namespace looptap
