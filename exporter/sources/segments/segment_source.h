// Loops of preloaded processes: finds the segments of a directory, follows their processes until they have been dead for
// long enough, and has the files of the dead removed.
//
// Thread-safety: none. Errors: the constructor throws std::runtime_error with one line; later ones are counted (exporter/self)
// and logged once per file. Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exporter/sources/loop_source.h"
#include "exporter/sources/segments/segment_directory.h"
#include "exporter/sources/segments/segment_file.h"
#include "exporter/sources/segments/segment_janitor.h"

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
  bool death_reported = false;  ///< processes() has shown it after its death, with its last figures
};

class SegmentSource : public LoopSource {
 public:
  /// Opens the directory. Where only the last part of the path is missing it is made as the probe would make it, with mode
  /// 01777. \param linger_ns for how long the dead are shown. \throws std::runtime_error
  SegmentSource(const std::string& path, uint64_t linger_ns);

  const char* name() const override { return "segments"; }
  void refresh(uint64_t now_ns) override;
  void read(uint64_t now_ns) override;
  std::vector<const SourceProcess*> processes() const override;  ///< by file name
  SourceLosses losses() const override;

 private:
  using Segments = std::map<std::string, std::unique_ptr<TrackedSegment>>;  // by file name

  void find_new(const SegmentDirectory::Listing& listing, uint64_t now_ns);
  void track(std::unique_ptr<TrackedSegment> segment, uint64_t now_ns);
  void reject(const SegmentDirectory::File& file, Rejection why);
  Segments::iterator retire(Segments::iterator segment, uint64_t dead_since_ns);
  void follow_deaths(uint64_t now_ns);
  void forget_removed(const SegmentDirectory::Listing& listing);
  SegmentJanitor::DeadFiles dead_files() const;

  SegmentDirectory directory_;
  SegmentJanitor janitor_;
  const uint64_t linger_ns_;
  bool is_cut_off_ = false;  // the last listing
  Segments segments_;
  std::map<std::string, uint64_t> rejected_files_;  // by name: the inode
  std::map<std::string, uint64_t> retired_files_;   // no longer shown, but there: when they were seen dead
  uint64_t retired_dropped_loops_ =
      0;  // of segments that are not tracked any more, so that the total does not go back
};

}  // namespace looptap
