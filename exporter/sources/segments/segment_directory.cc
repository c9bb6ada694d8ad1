#include "exporter/sources/segments/segment_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "exporter/base/log.h"

namespace looptap {

namespace {

constexpr uint64_t kRemoveAfter_ns = 60'000'000'000;  // dead for so long, so that every exporter has seen it
// Whoever makes more must not take our time and memory with each look. Those we have seen we keep.
constexpr size_t kMostFiles = 65'536;
constexpr int64_t kDateGrain_ns = 1'000'000'000;
constexpr const char* kJanitor = ".janitor";

int64_t ns_of(const timespec& time) { return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec; }

int open_directory(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

}  // namespace

SegmentDirectory::SegmentDirectory(std::string path, uint64_t linger_ns)
    : path_(std::move(path)), linger_ns_(linger_ns) {
  directory_ = open_directory(path_);
  if (directory_ < 0 && errno == ENOENT) {
    // As the probe would make it: programs of any user put their segments there.
    if (mkdir(path_.c_str(), 0777) == 0)
      chmod(path_.c_str(), 01777);
    else if (errno != EEXIST)
      throw std::runtime_error("cannot create the segment directory " + path_ + ": " + strerror(errno));
    directory_ = open_directory(path_);
  }
  if (directory_ < 0) {
    const bool link = errno == ELOOP || errno == ENOTDIR;
    throw std::runtime_error("cannot read the segment directory " + path_ + ": " +
                             (link ? "it is not a directory (symlinks are not followed)" : strerror(errno)));
  }
  struct statfs system {};
  if (fstatfs(directory_, &system) == 0 && system.f_type == OVERLAYFS_SUPER_MAGIC)
    log(LogLevel::kWarn,
        path_ +
            " is on overlayfs, where the locks that tell living processes from dead ones are "
            "lost: use a tmpfs or another volume");
}

SegmentDirectory::~SegmentDirectory() {
  close(directory_);
  if (janitor_ >= 0) close(janitor_);
}

bool SegmentDirectory::has_changed() const {
  struct stat now {};
  return !listing_holds_ || lstat(path_.c_str(), &now) != 0 || now.st_dev != listed_.st_dev ||
         now.st_ino != listed_.st_ino || ns_of(now.st_mtim) != ns_of(listed_.st_mtim);
}

std::optional<std::vector<SegmentDirectory::File>> SegmentDirectory::list() {
  // A descriptor of its own: reading moves the position. Opened anew, so that a directory that was replaced
  // is found.
  const int fd = open_directory(path_);
  if (fd < 0) return std::nullopt;
  dup3(fd, directory_, O_CLOEXEC);
  // Changes are dated by a clock that ticks every few milliseconds: after one that was just now there may be another
  // of the same date.
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  listing_holds_ = fstat(fd, &listed_) == 0 && ns_of(listed_.st_mtim) + kDateGrain_ns < ns_of(now);
  DIR* stream = fdopendir(fd);
  if (!stream) {
    close(fd);
    return std::nullopt;
  }
  std::vector<File> files;
  bool overfull = false;
  while (const dirent* entry = readdir(stream)) {
    if ((overfull = files.size() == kMostFiles)) break;
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && name != kJanitor) files.push_back({name, entry->d_ino});
  }
  closedir(stream);
  if (overfull && !overfull_) {
    gone_.rejected[Rejection::kTooMany]++;
    log(LogLevel::kWarn,
        path_ + " holds too many files: only " + std::to_string(kMostFiles) + " are looked at");
  }
  overfull_ = overfull;
  return files;
}

void SegmentDirectory::reject(const File& file, Rejection why) {
  refused_[file.name] = file.inode;
  gone_.rejected[why]++;
  log(LogLevel::kWarn, "not a segment: " + path_ + "/" + file.name + " (" + name_of(why) + ")");
}

SegmentDirectory::Segments::iterator SegmentDirectory::forget(Segments::iterator segment,
                                                              uint64_t dead_since_ns) {
  SegmentFile& file = *segment->second->file;
  file.read(segment->second->as_of(dead_since_ns), true);  // the last look
  gone_.dropped_loops += file.loops_dropped();
  gone_.inconsistent_reads += file.inconsistent_reads();
  finished_[segment->first] = dead_since_ns;
  return segments_.erase(segment);
}

std::unique_ptr<TrackedSegment> SegmentDirectory::open_segment(const File& file) {
  Rejection why{};
  auto opened = SegmentFile::open(directory_, file.name, why);
  if (opened) return std::make_unique<TrackedSegment>(file.name, file.inode, std::move(opened));
  // Gone again: its process and its janitor were quick.
  struct stat facts;
  if (fstatat(directory_, file.name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0) reject(file, why);
  return nullptr;
}

void SegmentDirectory::track(std::unique_ptr<TrackedSegment> segment, uint64_t now_ns) {
  // The same process after an exec, or its number given anew (a restarted container: 1 again, and the number of its
  // namespace is soon used again): what it was before makes room.
  for (auto other = segments_.begin(); other != segments_.end();) {
    const ProcessIdentity& before = other->second->identity;
    const bool same = before.name == segment->identity.name && before.pid == segment->identity.pid &&
                      before.pid_namespace == segment->identity.pid_namespace;
    if (same && !other->second->file->alive()) {
      // The death of another process is news: this one is taken in when that has been told.
      if (!other->second->is_told_dead && before.start_ticks != segment->identity.start_ticks) return;
      other = forget(other, now_ns);
    } else {
      ++other;
    }
  }
  log(LogLevel::kDebug, "found " + segment->file_name + ": " + segment->identity.name);
  const std::string name = segment->file_name;
  segments_.emplace(name, std::move(segment));
}

void SegmentDirectory::follow_lives(uint64_t now_ns) {
  for (auto at = segments_.begin(); at != segments_.end();) {
    TrackedSegment& segment = *at->second;
    if (!segment.dead_since_ns) {
      if (segment.file->alive()) {
        segment.last_alive_ns = now_ns;
      } else {
        segment.dead_since_ns = now_ns;
        segment.exited_ns = segment.file->exited_ns();
      }
    }
    if (segment.dead_since_ns && now_ns >= *segment.dead_since_ns + linger_ns_) {
      at = forget(at, *segment.dead_since_ns);
    } else {
      ++at;
    }
  }
}

bool SegmentDirectory::hold_janitor_lock() {
  if (janitor_ >= 0) return true;
  if (janitor_refused_) return false;
  // Without O_CREAT first: fs.protected_regular refuses it on another user's file.
  int fd = openat(directory_, kJanitor, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    fd = openat(directory_, kJanitor, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) fchmod(fd, 0666);  // past the umask: another user's exporter may take over
  }
  if (fd < 0) {
    janitor_refused_ = errno != EEXIST;
    if (janitor_refused_)
      log(LogLevel::kWarn,
          path_ + ": the segments of dead processes will not be removed: " + strerror(errno));
    return false;
  }
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    close(fd);
    return false;
  }
  janitor_ = fd;
  return true;
}

void SegmentDirectory::remove(const std::string& name, uint64_t inode) {
  if (unremovable_.contains(name)) return;
  struct stat facts;
  if (fstatat(directory_, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0 || facts.st_ino != inode) return;
  if (unlinkat(directory_, name.c_str(), 0) == 0) return;
  unremovable_.insert(name);
  log(LogLevel::kWarn, "cannot remove " + path_ + "/" + name + ": " + strerror(errno));
}

void SegmentDirectory::clean_up(const std::vector<File>& files, uint64_t now_ns) {
  std::map<std::string, uint64_t> finished, half_made;
  std::map<std::string, uint64_t> refused;
  std::set<std::string> unremovable;
  for (const File& file : files) {
    if (const auto known = refused_.find(file.name); known != refused_.end()) refused.insert(*known);
    const bool hidden = file.name.starts_with('.');
    std::optional<uint64_t> dead_since_ns;
    if (hidden) {
      // A probe that was killed while it made its segment. Ours are .<pid>-...; nothing else is touched.
      if (file.name.size() < 2 || !isdigit(static_cast<unsigned char>(file.name[1]))) continue;
      dead_since_ns =
          half_made.emplace(file.name, half_made_.contains(file.name) ? half_made_[file.name] : now_ns)
              .first->second;
    } else if (const auto known = finished_.find(file.name); known != finished_.end()) {
      dead_since_ns = finished.insert(*known).first->second;
    } else if (const auto tracked = segments_.find(file.name); tracked != segments_.end()) {
      dead_since_ns = tracked->second->dead_since_ns;
    }
    if (dead_since_ns && now_ns >= *dead_since_ns + kRemoveAfter_ns && hold_janitor_lock())
      remove(file.name, file.inode);
    if (unremovable_.contains(file.name)) unremovable.insert(file.name);
  }
  // Only of files that are still there, or the books would grow for ever.
  finished_ = std::move(finished);
  half_made_ = std::move(half_made);
  refused_ = std::move(refused);
  unremovable_ = std::move(unremovable);
}

void SegmentDirectory::refresh(uint64_t now_ns) {
  if (!has_changed() && finished_.empty() && half_made_.empty()) {  // nothing to find, nothing to remove
    follow_lives(now_ns);
    return;
  }
  const auto files = list();
  if (!files) {
    follow_lives(now_ns);
    return;
  }
  std::vector<std::unique_ptr<TrackedSegment>> found;
  for (const File& file : *files) {
    if (file.name.starts_with('.') || segments_.contains(file.name) || finished_.contains(file.name))
      continue;
    const auto refused = refused_.find(file.name);
    if (refused != refused_.end() && refused->second == file.inode) continue;
    if (auto segment = open_segment(file)) found.push_back(std::move(segment));
  }
  // The oldest first, so that what a process was before an exec makes room.
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a->identity.created_ns < b->identity.created_ns; });
  for (auto& segment : found) track(std::move(segment), now_ns);
  follow_lives(now_ns);
  clean_up(*files, now_ns);
}

void SegmentDirectory::read(uint64_t now_ns) {
  for (auto at = segments_.begin(); at != segments_.end();) {
    TrackedSegment& segment = *at->second;
    segment.file->read(segment.as_of(now_ns), segment.dead_since_ns.has_value());
    segment.is_told_dead = segment.dead_since_ns.has_value();
    const auto fault = segment.file->fault();
    if (!fault) {
      ++at;
      continue;
    }
    reject({segment.file_name, segment.inode}, *fault);
    gone_.inconsistent_reads += segment.file->inconsistent_reads();
    at = segments_.erase(at);
  }
}

std::vector<const SourceProcess*> SegmentDirectory::processes() const {
  std::vector<const SourceProcess*> processes;
  processes.reserve(segments_.size());
  for (const auto& [name, segment] : segments_) processes.push_back(segment.get());
  return processes;
}

SourceLosses SegmentDirectory::losses() const {
  SourceLosses losses = gone_;
  for (const auto& [name, segment] : segments_) {
    losses.dropped_loops += segment->file->loops_dropped();
    losses.inconsistent_reads += segment->file->inconsistent_reads();
  }
  losses.unremovable = unremovable_.size();
  return losses;
}

}  // namespace looptap
