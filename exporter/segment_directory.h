// The segments of a directory: finds them, follows the lives of their processes, removes what is left of
// the dead.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "exporter/segment_file.h"

namespace looptap {

/// The segment of one process.
struct TrackedSegment {
  std::string file_name;
  uint64_t inode = 0;
  std::unique_ptr<SegmentFile> file;
  std::string pid_label;       ///< the pid, made unique where another process shows the same name and pid
  uint64_t last_alive_ns = 0;  ///< when it was last seen alive; 0: never
  std::optional<uint64_t> dead_since_ns;  ///< when it was first seen dead
};

/// Several exporters may look at one directory: each keeps its own books, one of them (the holder of a
/// write lock on .janitor) removes files. Not thread-safe.
class SegmentDirectory {
 public:
  /// Opens the directory, making it where only its last part is missing.
  /// \throws std::runtime_error with one clear line.
  SegmentDirectory(std::string path, uint64_t linger_ns);
  ~SegmentDirectory();

  /// Looks for new segments and for deaths; forgets those that have been dead for longer than `linger`.
  void refresh(uint64_t now_ns);

  using Segments = std::map<std::string, TrackedSegment>;  // by file name

  /// Valid until the next refresh().
  const Segments& segments() const { return segments_; }

  /// What read() has found: the segment is none after all.
  void refuse(const std::string& name, Rejection why);

  /// Files refused so far, by reason.
  const std::map<Rejection, uint64_t>& rejected() const { return rejected_; }
  /// Segments of dead processes that we would remove and may not.
  uint64_t unremovable() const { return unremovable_.size(); }
  /// Sums over the segments that have been forgotten, so that totals do not go back.
  uint64_t forgotten_drops() const { return forgotten_drops_; }
  uint64_t forgotten_inconsistent_reads() const { return forgotten_inconsistent_reads_; }

 private:
  struct File {
    std::string name;
    uint64_t inode;
  };
  std::optional<std::vector<File>> list();
  std::optional<TrackedSegment> open_segment(const File& file);
  void track(TrackedSegment segment, uint64_t now_ns);
  void reject(const File& file, Rejection why);
  Segments::iterator forget(Segments::iterator segment, uint64_t dead_since_ns);
  std::string unique_pid_label(const ProcessIdentity& identity) const;
  void follow_lives(uint64_t now_ns);
  void clean_up(const std::vector<File>& files, uint64_t now_ns);
  bool hold_janitor_lock();
  void remove(const std::string& name, uint64_t inode);

  std::string path_;
  uint64_t linger_ns_;
  int directory_ = -1;
  int janitor_ = -1;
  bool janitor_refused_ = false;
  bool overfull_ = false;  // when it was last looked at
  Segments segments_;
  std::map<std::string, uint64_t> refused_;  // rejected files, by name: their inode
  std::map<std::string, uint64_t>
      finished_;  // forgotten ones whose file is still there: when they were seen dead
  std::map<std::string, uint64_t> half_made_;  // dot-names: when they were first seen
  std::set<std::string> unremovable_;
  std::map<Rejection, uint64_t> rejected_;
  uint64_t forgotten_drops_ = 0;
  uint64_t forgotten_inconsistent_reads_ = 0;
};

}  // namespace looptap
