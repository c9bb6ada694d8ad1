// Reads one segment. It may have been written by an enemy: nothing in it is believed before it is checked,
// and it is read with pread, so that a file that shrinks under us is an error and not a signal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exporter/loop_sample.h"
#include "preload/segment_layout.h"

namespace looptap {

/// Why a file in the segment directory is not a segment; the label of looptap_rejected_segments_total.
enum class Rejection {
  kNotAFile,     ///< a symlink, directory, FIFO, device
  kUnreadable,   ///< it cannot be opened or read
  kForeign,      ///< something else than a segment
  kVersion,      ///< of a layout this exporter does not know
  kTruncated,    ///< shorter than it says
  kMalformed,    ///< its sizes contradict each other
  kOtherBoot,    ///< left over from before the machine started
  kFuture,       ///< it was made, or its loop last moved, later than now (or it is of another time namespace)
  kImplausible,  ///< more time or more events than there can have been since the machine started
  kRegressed,    ///< a counter has gone back
  kTooMany       ///< not one file but the rest of them: the directory holds too many
};
inline constexpr Rejection kRejections[] = {
    Rejection::kNotAFile,    Rejection::kUnreadable, Rejection::kForeign,   Rejection::kVersion,
    Rejection::kTruncated,   Rejection::kMalformed,  Rejection::kOtherBoot, Rejection::kFuture,
    Rejection::kImplausible, Rejection::kRegressed,  Rejection::kTooMany};
const char* name_of(Rejection rejection);

/// Who wrote the segment. Texts are valid UTF-8.
struct ProcessIdentity {
  std::string name;  ///< LOOPTAP_NAME, or the comm
  uint32_t pid = 0;  ///< in its own PID namespace
  uint64_t pid_namespace = 0;
  uint64_t start_ticks = 0;
  uint64_t created_ns = 0;
};

/// Not thread-safe.
class SegmentFile {
 public:
  /// Opens and validates `name` in the directory; nullptr and a reason when it is refused.
  static std::unique_ptr<SegmentFile> open(int directory, const std::string& name, Rejection& why);

  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  const ProcessIdentity& identity() const { return identity_; }

  /// Whether the process still holds its lock.
  bool alive() const;
  /// When it exited in good order, CLOCK_MONOTONIC ns; 0 when it did not (yet).
  uint64_t exited_ns() const;
  /// Loops that found no slot.
  uint64_t loops_dropped() const;

  /// Copies every loop that has ever been waited on. A loop that is just being counted for keeps its previous
  /// sample, and is counted in inconsistent_reads(). `settled_for_good`: the process is dead, so that a loop
  /// that was never read is taken as it was left.
  const std::vector<LoopSample>& read(uint64_t now_ns, bool settled_for_good);

  /// Why it is no segment after all, as read() has found; then there are no samples.
  std::optional<Rejection> fault() const { return fault_; }

  uint64_t inconsistent_reads() const { return inconsistent_reads_; }

 private:
  struct Slot {
    uint64_t published_state = 0;                 // of the sample that was last handed out
    uint64_t stuck_state = 0, stuck_settled = 0;  // what could not be read the last time,
    unsigned faults = 0;                          // in a row
    uint64_t stuck_since_ns = 0;                  // and since when it has looked like that; 0: it could
  };

  SegmentFile(int fd, const looptap_header& header);
  static std::optional<Rejection> find_fault(int fd, looptap_header& header);
  bool copy_slot(uint32_t ordinal, uint64_t now_ns, bool take_unsettled, looptap_loop& copy);

  int fd_;
  uint64_t file_size_;
  std::optional<Rejection> fault_;
  ProcessIdentity identity_;
  looptap_region loops_{};
  std::vector<Slot> slots_;
  std::unique_ptr<looptap_loop> copy_;  // where slots are read to
  std::vector<LoopSample> samples_;
  uint64_t inconsistent_reads_ = 0;
};

}  // namespace looptap
