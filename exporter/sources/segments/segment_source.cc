#include "exporter/sources/segments/segment_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "exporter/base/limited_log.h"
#include "exporter/base/log.h"
#include "exporter/self/own_metrics.h"

namespace looptap {

namespace {

/// \return the path. As the probe makes it: programs of any user put their segments there.
const std::string& make_directory(const std::string& path) {
  struct stat facts;
  if (lstat(path.c_str(), &facts) == 0 || errno != ENOENT) return path;
  if (mkdir(path.c_str(), 0777) == 0)
    chmod(path.c_str(), 01777);  // past the umask
  else if (errno != EEXIST)
    throw std::runtime_error("cannot create the segment directory " + path + ": " + strerror(errno));
  return path;
}

}  // namespace

SegmentSource::SegmentSource(const std::string& path, uint64_t linger_ns)
    : directory_(make_directory(path)), janitor_(directory_), linger_ns_(linger_ns) {
  for (const Rejection why : kRejections) self::rejected_segments(name_of(why));  // all there, at 0
  if (directory_.loses_locks())
    log(LogLevel::kWarn,
        path +
            " is on overlayfs, where the locks that tell living processes from dead ones are "
            "lost: use a tmpfs or another volume");
}

void SegmentSource::reject(const SegmentDirectory::File& file, Rejection why) {
  rejected_files_[file.name] = file.inode;
  self::rejected_segments(name_of(why)).increment();
  static LimitedLog rejections(LogLevel::kWarn, "files that are no segments");
  rejections.write("not a segment: " + directory_.path() + "/" + file.name + " (" + name_of(why) + ")");
}

SegmentSource::Segments::iterator SegmentSource::retire(Segments::iterator segment, uint64_t dead_since_ns) {
  SegmentFile& file = *segment->second->file;
  file.read(segment->second->as_of(dead_since_ns), true);  // for its last losses
  retired_dropped_loops_ += file.loops_dropped();
  retired_files_[segment->first] = dead_since_ns;
  return segments_.erase(segment);
}

void SegmentSource::track(std::unique_ptr<TrackedSegment> segment, uint64_t now_ns) {
  // The same process after an exec, or its number given anew (a restarted container: 1 again, and the number of its
  // namespace is soon used again): the segment it had before makes room.
  for (auto other = segments_.begin(); other != segments_.end();) {
    const ProcessIdentity& before = other->second->identity;
    const bool same = before.name == segment->identity.name && before.pid == segment->identity.pid &&
                      before.pid_namespace == segment->identity.pid_namespace;
    if (same && !other->second->file->alive()) {
      // The death of another process has to be reported first; until then this one waits.
      if (!other->second->death_reported && before.start_ticks != segment->identity.start_ticks) return;
      other = retire(other, now_ns);
    } else {
      ++other;
    }
  }
  log(LogLevel::kDebug, "found " + segment->file_name + ": " + segment->identity.name);
  const std::string name = segment->file_name;
  segments_.emplace(name, std::move(segment));
}

void SegmentSource::find_new(const SegmentDirectory::Listing& listing, uint64_t now_ns) {
  std::vector<std::unique_ptr<TrackedSegment>> found;
  for (const auto& file : listing.segments) {
    if (segments_.contains(file.name) || retired_files_.contains(file.name)) continue;
    const auto rejected = rejected_files_.find(file.name);
    if (rejected != rejected_files_.end() && rejected->second == file.inode) continue;
    std::optional<Rejection> why;
    if (auto segment = directory_.open(file.name, why))
      found.push_back(std::make_unique<TrackedSegment>(file.name, file.inode, std::move(segment)));
    else if (why)
      reject(file, *why);
  }
  // The oldest first, so that what a process was before an exec makes room.
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a->identity.created_ns < b->identity.created_ns; });
  for (auto& segment : found) track(std::move(segment), now_ns);
}

void SegmentSource::follow_deaths(uint64_t now_ns) {
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
      at = retire(at, *segment.dead_since_ns);
    } else {
      ++at;
    }
  }
}

SegmentJanitor::DeadFiles SegmentSource::dead_files() const {
  SegmentJanitor::DeadFiles dead = retired_files_;
  for (const auto& [name, segment] : segments_)
    if (segment->dead_since_ns) dead.emplace(name, *segment->dead_since_ns);
  return dead;
}

void SegmentSource::forget_removed(const SegmentDirectory::Listing& listing) {
  std::map<std::string, uint64_t> rejected_files, retired_files;
  for (const auto& file : listing.segments) {
    if (const auto known = rejected_files_.find(file.name); known != rejected_files_.end())
      rejected_files.insert(*known);
    if (const auto known = retired_files_.find(file.name); known != retired_files_.end())
      retired_files.insert(*known);
  }
  rejected_files_ = std::move(rejected_files);
  retired_files_ = std::move(retired_files);
}

void SegmentSource::refresh(uint64_t now_ns) {
  // Listing costs a system call per file; it is spared where nothing can be found or removed.
  const bool list = directory_.may_have_changed() || !retired_files_.empty() || janitor_.is_waiting();
  const auto listing = list ? directory_.list() : std::nullopt;
  if (!listing) {
    follow_deaths(now_ns);
    return;
  }
  if (listing->is_cut_off && !is_cut_off_) {
    self::rejected_segments(name_of(Rejection::kTooMany)).increment();
    log(LogLevel::kWarn, directory_.path() + " holds too many files: only " +
                             std::to_string(SegmentDirectory::kMaxFiles) + " are looked at");
  }
  is_cut_off_ = listing->is_cut_off;
  find_new(*listing, now_ns);
  follow_deaths(now_ns);
  janitor_.clean_up(*listing, dead_files(), now_ns);
  forget_removed(*listing);
}

void SegmentSource::read(uint64_t now_ns) {
  for (auto at = segments_.begin(); at != segments_.end();) {
    TrackedSegment& segment = *at->second;
    segment.file->read(segment.as_of(now_ns), segment.dead_since_ns.has_value());
    segment.death_reported = segment.dead_since_ns.has_value();
    const auto fault = segment.file->fault();
    if (!fault) {
      ++at;
      continue;
    }
    reject({segment.file_name, segment.inode}, *fault);
    at = segments_.erase(at);
  }
}

std::vector<const SourceProcess*> SegmentSource::processes() const {
  std::vector<const SourceProcess*> processes;
  processes.reserve(segments_.size());
  for (const auto& [name, segment] : segments_) processes.push_back(segment.get());
  return processes;
}

SourceLosses SegmentSource::losses() const {
  SourceLosses losses{retired_dropped_loops_, janitor_.unremovable()};
  for (const auto& [name, segment] : segments_) losses.dropped_loops += segment->file->loops_dropped();
  return losses;
}

}  // namespace looptap
