// Removes what dead processes have left in a segment directory: the only part of looptap that removes segments. Several
// exporters may look at one directory; the one that holds an OFD write lock on its file .janitor removes. Where somebody
// else holds it, or nobody can, and the files of the dead stay, that is told, and each exporter removes those of its own user.
//
// Thread-safety: none. Errors: what may not be removed is remembered, not tried again and counted; it is logged.
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
  /// Two rounds more: whoever holds the lock, and began to look later than we, would have removed it by then.
  static constexpr uint64_t kOverdueAfter_ns = 3 * kRemoveAfter_ns;

  /// Does nothing yet. \param directory has to outlive it.
  explicit SegmentJanitor(const SegmentDirectory& directory) : directory_(directory) {}
  ~SegmentJanitor();
  SegmentJanitor(const SegmentJanitor&) = delete;
  SegmentJanitor& operator=(const SegmentJanitor&) = delete;

  /// Segments of dead processes, by file name: when each was seen dead.
  using DeadFiles = std::map<std::string, uint64_t>;

  /// Removes dead segments that are due, and unpublished ones that have been there for as long; none whose lock is held.
  /// Takes the lock of .janitor, and creates it, only when something is due.
  void clean_up(const SegmentDirectory::Listing& listing, const DeadFiles& dead, uint64_t now_ns);

  /// Whether clean_up() has to be called again though the directory does not change: unpublished files grow old.
  bool is_waiting() const { return !unpublished_files_.empty(); }

  /// How many files are there that it would have removed and may not, or that nobody removes.
  size_t unremovable() const { return unremovable_files_.size() + overdue_; }

 private:
  bool hold_lock();
  enum class By { kJanitor, kOwner };
  /// \return whether there is no more to be done for it in this round; false: it is not ours to remove.
  bool remove(const SegmentDirectory::File& file, By who);
  void unlink(const SegmentDirectory::File& file);
  void cannot_remove(const SegmentDirectory::File& file, int error);
  void tell_of_overdue(size_t overdue);

  const SegmentDirectory& directory_;
  int lock_ = -1;
  int refused_ = 0;                                    // why .janitor could not be locked in the last round
  std::map<std::string, uint64_t> unpublished_files_;  // when each was first seen
  std::set<std::string> unremovable_files_;
  size_t overdue_ = 0;  // files that have been due for two rounds, and are not ours
  bool overdue_is_told_ = false;
};

}  // namespace looptap
