// Removes what dead processes have left in a segment directory: the only part of looptap that removes segments. Several
// exporters may look at one directory; the one that holds an OFD write lock on its file .janitor removes.
//
// Thread-safety: none. Errors: what may not be removed is remembered, not tried again and counted; it is logged once.
// Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "exporter/sources/segments/segment_directory.h"

namespace looptap {

class SegmentJanitor {
 public:
  /// So long after its process' death was seen, every exporter has read a segment's last figures.
  static constexpr uint64_t kRemoveAfter_ns = 60'000'000'000;

  /// Does nothing yet. \param directory has to outlive it.
  explicit SegmentJanitor(const SegmentDirectory& directory) : directory_(directory) {}
  ~SegmentJanitor();
  SegmentJanitor(const SegmentJanitor&) = delete;
  SegmentJanitor& operator=(const SegmentJanitor&) = delete;

  /// Segments of dead processes, by file name: when each was seen dead.
  using DeadFiles = std::map<std::string, uint64_t>;

  /// Removes dead segments that are due, and unpublished ones that have been there for as long. Takes the lock, and
  /// creates .janitor, only when something is due.
  void clean_up(const SegmentDirectory::Listing& listing, const DeadFiles& dead, uint64_t now_ns);

  /// Whether clean_up() has to be called again though the directory does not change: unpublished files grow old.
  bool is_waiting() const { return !unpublished_files_.empty(); }

  /// How many files are there that it would have removed and may not.
  size_t unremovable() const { return unremovable_files_.size(); }

 private:
  bool hold_lock();
  void remove(const SegmentDirectory::File& file);

  const SegmentDirectory& directory_;
  int lock_ = -1;
  bool lock_refused_ = false;                          // for good, and it is logged
  std::map<std::string, uint64_t> unpublished_files_;  // when each was first seen
  std::set<std::string> unremovable_files_;
};

}  // namespace looptap
