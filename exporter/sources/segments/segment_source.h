// Loops of preloaded processes: finds the segments of a directory, follows their processes until they have been dead for
// long enough, and has the files of the dead removed.
//
// What others decide is bounded: files, loops, and the time of a look.
//
// Thread-safety: none. Errors: the constructor throws std::runtime_error with one line; later ones are counted (exporter/self)
// and logged. Where refresh() or read() throws, for want of memory, the next one makes up for it. Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exporter/self/own_metrics.h"
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

  /// What it takes of --segments.max-loops: its loops, and 1 where it has none yet, since its process is shown, too.
  uint64_t weight() const { return std::max<uint64_t>(file->loops_used(), 1); }
  uint64_t granted = 0;    ///< of that; 0: it is not shown
  uint64_t most_over = 0;  ///< the most of its loops that have not been shown at once
};

class SegmentSource : public LoopSource {
 public:
  static constexpr uint64_t kMaxLoops = 10'000;
  /// For how long a look opens new files, or reads segments: what is left waits for the next one.
  static constexpr uint64_t kLongestPart_ns = 2'000'000'000;

  /// Opens the directory. Where only the last part of the path is missing it is made as the probe would make it, with mode
  /// 01777. \param linger_ns for how long the dead are shown. \param max_loops that are shown at once; where there are more,
  /// each user has a fair share (loop_shares.h), and of his the living and the eldest come first.
  /// \throws std::runtime_error
  SegmentSource(const std::string& path, uint64_t linger_ns, uint64_t max_loops = kMaxLoops,
                uint64_t longest_part_ns = kLongestPart_ns);

  const char* name() const override { return "segments"; }
  void refresh(uint64_t now_ns) override;
  void read(uint64_t now_ns) override;
  std::vector<const SourceProcess*> processes() const override;  ///< by file name
  SourceLosses losses() const override;

 private:
  using Segments = std::map<std::string, std::unique_ptr<TrackedSegment>>;  // by file name
  struct RejectedFile {
    uint64_t inode;
    Rejection why;
  };
  struct RetiredFile {
    uint64_t inode, dead_since_ns;
  };

  /// \return whether all of them were looked at.
  bool find_new(const SegmentDirectory::Listing& listing, uint64_t now_ns);
  /// \return false: it has to be found anew, at the next look.
  bool track(std::unique_ptr<TrackedSegment> segment, uint64_t now_ns);
  void reject(const SegmentDirectory::File& file, Rejection why);
  Segments::iterator retire(Segments::iterator segment, uint64_t dead_since_ns);
  void follow_deaths(uint64_t now_ns);
  void forget_removed(const SegmentDirectory::Listing& listing);
  SegmentJanitor::DeadFiles dead_files(const SegmentDirectory::Listing& listing) const;
  void grant_loops();
  void grant_fairly();
  void read_segment(TrackedSegment& segment, uint64_t now_ns);

  SegmentDirectory directory_;
  SegmentJanitor janitor_;
  const uint64_t linger_ns_, max_loops_, longest_part_ns_;
  std::vector<self::Counter> rejections_;  // by reason
  bool is_cut_off_ = false;                // the last listing
  bool is_listing_due_ = true;             // not all of the last one has been dealt with
  bool is_over_limit_ = false;             // at the last read
  Segments segments_;
  uint64_t spare_ = 0;     // how many more loops there may be than are granted
  std::string read_next_;  // where the next read begins
  std::map<std::string, RejectedFile> rejected_files_;
  std::map<std::string, RetiredFile> retired_files_;  // no longer shown, but there
  // Of segments that are not tracked any more, so that the totals do not go back.
  uint64_t retired_dropped_loops_ = 0;
  uint64_t loops_over_limit_ = 0;  // of all
};

}  // namespace looptap
