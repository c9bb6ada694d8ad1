// The segments of a directory: finds them, follows the lives of their processes, removes what is left of
// the dead.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exporter/sources/loop_source.h"
#include "exporter/sources/segments/segment_file.h"

namespace looptap {

/// The segment of one process.
class TrackedSegment : public SourceProcess {
 public:
  TrackedSegment(std::string name, uint64_t file_inode, std::unique_ptr<SegmentFile> opened)
      : SourceProcess(opened->identity()),
        file_name(std::move(name)),
        inode(file_inode),
        file(std::move(opened)) {}

  const std::vector<LoopSample>& samples() const override { return file->samples(); }

  const std::string file_name;
  const uint64_t inode;
  const std::unique_ptr<SegmentFile> file;
  bool is_told_dead = false;  ///< processes() has shown it after its death, with its last figures
};

/// Several exporters may look at one directory: each keeps its own books, one of them (the holder of a
/// write lock on .janitor) removes files. Not thread-safe.
class SegmentDirectory : public LoopSource {
 public:
  /// Opens the directory, making it where only its last part is missing.
  /// \throws std::runtime_error with one clear line.
  SegmentDirectory(std::string path, uint64_t linger_ns);
  ~SegmentDirectory() override;

  void refresh(uint64_t now_ns) override;
  void read(uint64_t now_ns) override;
  std::vector<const SourceProcess*> processes() const override;  ///< by file name
  SourceLosses losses() const override;

 private:
  struct File {
    std::string name;
    uint64_t inode;
  };
  /// Whether there may be other files than when it was last listed.
  bool has_changed() const;
  std::optional<std::vector<File>> list();
  using Segments = std::map<std::string, std::unique_ptr<TrackedSegment>>;  // by file name

  std::unique_ptr<TrackedSegment> open_segment(const File& file);
  void track(std::unique_ptr<TrackedSegment> segment, uint64_t now_ns);
  void reject(const File& file, Rejection why);
  Segments::iterator forget(Segments::iterator segment, uint64_t dead_since_ns);
  void follow_lives(uint64_t now_ns);
  void clean_up(const std::vector<File>& files, uint64_t now_ns);
  bool hold_janitor_lock();
  void remove(const std::string& name, uint64_t inode);

  std::string path_;
  uint64_t linger_ns_;
  int directory_ = -1;
  int janitor_ = -1;
  bool janitor_refused_ = false;
  // When it was last listed:
  bool overfull_ = false;
  struct stat listed_ {};
  bool listing_holds_ = false;  // for as long as the directory's date stays
  Segments segments_;
  std::map<std::string, uint64_t> refused_;  // rejected files, by name: their inode
  std::map<std::string, uint64_t>
      finished_;  // forgotten ones whose file is still there: when they were seen dead
  std::map<std::string, uint64_t> half_made_;  // dot-names: when they were first seen
  std::set<std::string> unremovable_;
  SourceLosses gone_;  // with what those that are forgotten had lost, so that totals do not go back
};

}  // namespace looptap
