#include "exporter/sources/segments/segment_source.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <unordered_set>

#include "exporter/base/limited_log.h"
#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/self/shortage.h"
#include "exporter/sources/segments/loop_shares.h"
#include "exporter/sources/segments/wrong_settings.h"

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

SegmentSource::SegmentSource(const std::string& path, uint64_t linger_ns, uint64_t max_loops,
                             uint64_t longest_part_ns)
    : directory_(make_directory(path)),
      janitor_(directory_),
      linger_ns_(linger_ns),
      max_loops_(max_loops),
      longest_part_ns_(longest_part_ns) {
  for (const Rejection why : kRejections) {  // all there, at 0
    const auto number = static_cast<size_t>(why);
    while (rejections_.size() <= number) rejections_.push_back(self::rejected_segments(name_of(why)));
  }
  self::declare_shortages();
  declare_wrong_settings();
  if (directory_.loses_locks())
    log(LogLevel::kWarn,
        path +
            " is on overlayfs, where the locks that tell living processes from dead ones are "
            "lost: use a tmpfs or another volume");
}

void SegmentSource::reject(const SegmentDirectory::File& file, Rejection why) {
  rejected_files_[file.name] = {file.inode, why};
  rejections_[static_cast<size_t>(why)].increment();
  static LimitedLog rejections(LogLevel::kWarn, "files that are no segments");
  rejections.write(
      [&] { return "not a segment: " + directory_.path() + "/" + file.name + " (" + name_of(why) + ")"; });
}

SegmentSource::Segments::iterator SegmentSource::retire(Segments::iterator segment, uint64_t dead_since_ns) {
  SegmentFile& file = *segment->second->file;
  file.read(segment->second->as_of(dead_since_ns), true, 0);  // for its last losses
  retired_files_[segment->first] = {segment->second->inode, dead_since_ns};
  retired_dropped_loops_ += file.loops_dropped();
  return segments_.erase(segment);
}

bool SegmentSource::track(std::unique_ptr<TrackedSegment> segment, uint64_t now_ns) {
  // The same process after an exec, or its number given anew (a restarted container: 1 again, and the number of its
  // namespace is soon used again): the segment it had before makes room.
  for (auto other = segments_.begin(); other != segments_.end();) {
    const ProcessIdentity& before = other->second->identity;
    const bool same = before.name == segment->identity.name && before.pid == segment->identity.pid &&
                      before.pid_namespace == segment->identity.pid_namespace;
    if (same && !other->second->file->alive()) {
      // The death of another process has to be reported first; until then this one waits.
      if (!other->second->death_reported && before.start_ticks != segment->identity.start_ticks) return false;
      other = retire(other, now_ns);
    } else {
      ++other;
    }
  }
  log(LogLevel::kDebug, "found " + segment->file_name + ": " + segment->identity.name);
  tell_wrong_settings(segment->identity, segment->file->wrong_settings());
  const std::string name = segment->file_name;
  segments_.emplace(name, std::move(segment));
  return true;
}

bool SegmentSource::find_new(const SegmentDirectory::Listing& listing, uint64_t now_ns) {
  // A file may have many names.
  std::unordered_set<uint64_t> known_inodes;
  for (const auto& file : listing.segments)
    if (segments_.contains(file.name) || retired_files_.contains(file.name)) known_inodes.insert(file.inode);
  std::vector<std::unique_ptr<TrackedSegment>> found;
  const uint64_t began_ns = monotonic_now_ns();
  bool is_complete = true;
  size_t opened = 0;  // at least one each time, or there would be no end
  for (const auto& file : listing.segments) {
    if (segments_.contains(file.name) || retired_files_.contains(file.name)) continue;
    const bool is_link = known_inodes.contains(file.inode);
    const auto rejected = rejected_files_.find(file.name);
    // A link is one for as long as the name is there by which the file was found: an inode may be used again.
    if (rejected != rejected_files_.end() && rejected->second.inode == file.inode &&
        (is_link || rejected->second.why != Rejection::kLink))
      continue;
    if (is_link) {
      reject(file, Rejection::kLink);
      continue;
    }
    if (opened++ && monotonic_now_ns() - began_ns > longest_part_ns_) {
      self::tell_of_shortage(ETIME, "cannot open all new files in one look");
      is_complete = false;
      break;
    }
    try {
      std::optional<Rejection> why;
      if (auto segment = directory_.open(file.name, why)) {
        found.push_back(std::make_unique<TrackedSegment>(file.name, file.inode, std::move(segment)));
        known_inodes.insert(file.inode);
      } else if (why) {
        reject(file, *why);
      }
    } catch (const self::Shortage&) {
      is_complete = false;
    }
  }
  // The oldest first, so that what a process was before an exec makes room.
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a->identity.created_ns < b->identity.created_ns; });
  for (auto& segment : found) is_complete &= track(std::move(segment), now_ns);
  return is_complete;
}

void SegmentSource::follow_deaths(uint64_t now_ns) {
  for (auto at = segments_.begin(); at != segments_.end();) {
    TrackedSegment& segment = *at->second;
    if (!segment.dead_since_ns) {
      const SegmentFile::Life life = segment.file->life();
      if (life.state == SegmentFile::Life::kAlive) {
        segment.last_alive_ns = now_ns;
      } else if (life.state == SegmentFile::Life::kDead) {
        segment.dead_since_ns = now_ns;
        segment.exited_ns = life.exited_ns;
      }
    }
    if (segment.dead_since_ns && now_ns >= *segment.dead_since_ns + linger_ns_) {
      at = retire(at, *segment.dead_since_ns);
    } else {
      ++at;
    }
  }
}

SegmentJanitor::DeadFiles SegmentSource::dead_files(const SegmentDirectory::Listing& listing) const {
  std::map<uint64_t, uint64_t> dead_inodes;  // and since when
  for (const auto& [name, file] : retired_files_) dead_inodes.emplace(file.inode, file.dead_since_ns);
  for (const auto& [name, segment] : segments_)
    if (segment->dead_since_ns) dead_inodes.emplace(segment->inode, *segment->dead_since_ns);
  SegmentJanitor::DeadFiles dead;
  if (dead_inodes.empty()) return dead;
  for (const auto& file : listing.segments)
    if (const auto found = dead_inodes.find(file.inode); found != dead_inodes.end())
      dead.emplace(file.name, found->second);
  return dead;
}

void SegmentSource::forget_removed(const SegmentDirectory::Listing& listing) {
  std::map<std::string, RejectedFile> rejected_files;
  std::map<std::string, RetiredFile> retired_files;
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
  is_listing_due_ |= directory_.may_have_changed() || !retired_files_.empty() || janitor_.is_waiting();
  const auto listing = is_listing_due_ ? directory_.list() : std::nullopt;
  if (!listing) {
    follow_deaths(now_ns);
    grant_loops();
    return;
  }
  if (!std::exchange(is_cut_off_, listing->is_cut_off) && is_cut_off_) {
    rejections_[static_cast<size_t>(Rejection::kTooMany)].increment();
    static LimitedLog cut_off(LogLevel::kWarn, "directories with too many files");
    cut_off.write([&] {
      return directory_.path() + " holds too many files: only " +
             std::to_string(SegmentDirectory::kMaxFiles) + " are looked at";
    });
  }
  const bool is_complete = find_new(*listing, now_ns);
  follow_deaths(now_ns);
  janitor_.clean_up(*listing, dead_files(*listing), now_ns);
  forget_removed(*listing);
  is_listing_due_ = !is_complete;
  grant_loops();
}

void SegmentSource::grant_loops() {
  uint64_t wanted = 0;
  for (const auto& [name, segment] : segments_) wanted += segment->weight();
  const bool was_over_limit = std::exchange(is_over_limit_, wanted > max_loops_);
  if (!is_over_limit_) {
    for (const auto& [name, segment] : segments_) segment->granted = segment->weight();
    spare_ = max_loops_ - wanted;
    return;
  }
  grant_fairly();
  spare_ = 0;
  if (was_over_limit) return;
  static LimitedLog over_limit(LogLevel::kWarn, "loops over the limit");
  over_limit.write([&] {
    return "more loops than --segments.max-loops: " + std::to_string(max_loops_) + " of " +
           std::to_string(wanted) + " are shown, a fair share for each user";
  });
}

void SegmentSource::grant_fairly() {
  std::map<uid_t, uint64_t> wanted;
  std::vector<TrackedSegment*> in_order;
  for (const auto& [name, segment] : segments_) {
    wanted[segment->file->owner()] += segment->weight();
    in_order.push_back(segment.get());
  }
  // Those that were shown stay, as far as there is room: an order that changes would make series come and go.
  std::sort(in_order.begin(), in_order.end(), [](const TrackedSegment* a, const TrackedSegment* b) {
    const auto place = [](const TrackedSegment* segment) {
      return std::tuple(segment->dead_since_ns.has_value(), segment->identity.created_ns, segment->id);
    };
    return place(a) < place(b);
  });
  std::map<uid_t, uint64_t> left = fair_shares(wanted, max_loops_);
  for (TrackedSegment* segment : in_order) {
    uint64_t& share = left[segment->file->owner()];
    segment->granted = std::min(segment->weight(), share);
    share -= segment->granted;
  }
}

void SegmentSource::read_segment(TrackedSegment& segment, uint64_t now_ns) {
  SegmentFile& file = *segment.file;
  const uint64_t most = std::min<uint64_t>(segment.granted + spare_, LOOPTAP_MOST_LOOPS);
  file.read(segment.as_of(now_ns), segment.dead_since_ns.has_value(), static_cast<uint32_t>(most));
  segment.death_reported = segment.dead_since_ns.has_value();
  const uint64_t shown = std::min(segment.weight(), most);
  if (shown > segment.granted) {
    spare_ -= shown - segment.granted;
    segment.granted = shown;
  }
  const uint64_t over = file.loops_used() - std::min<uint64_t>(file.loops_used(), most);
  if (over <= segment.most_over) return;
  loops_over_limit_ += over - segment.most_over;
  segment.most_over = over;
}

void SegmentSource::read(uint64_t now_ns) {
  const uint64_t began_ns = monotonic_now_ns();
  // Where the time is up, the next read begins with those that this one did not come to.
  auto at = segments_.lower_bound(read_next_);
  const size_t all = segments_.size();
  for (size_t i = 0; i < all; i++) {
    if (at == segments_.end()) at = segments_.begin();
    if (i && monotonic_now_ns() - began_ns > longest_part_ns_) {
      self::tell_of_shortage(ETIME, "cannot read all segments in one look");
      read_next_ = at->first;
      break;
    }
    TrackedSegment& segment = *at->second;
    read_segment(segment, now_ns);
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
  for (const auto& [name, segment] : segments_)
    if (segment->granted) processes.push_back(segment.get());
  return processes;
}

SourceLosses SegmentSource::losses() const {
  SourceLosses losses{retired_dropped_loops_, loops_over_limit_, janitor_.unremovable()};
  for (const auto& [name, segment] : segments_) losses.dropped_loops += segment->file->loops_dropped();
  return losses;
}

}  // namespace looptap
