// Reads one segment. Segments are untrusted input: every size is checked before use, and the file is read with pread, so
// that one that shrinks meanwhile is an error and no SIGBUS.
//
// It keeps its file open while this process has enough descriptors, which makes a look some 3 us cheaper; else it opens the
// file for each look. So a thousand segments can be read with 64 descriptors. A mapping would need none, but reading one that
// another user cuts short is SIGBUS.
//
// Thread-safety: none. Errors: open() gives a reason; later ones are fault(); what is only short now (self/shortage.h) is said
// by each function. Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exporter/model/loop_sample.h"
#include "exporter/model/process_identity.h"
#include "exporter/sources/rejection.h"
#include "exporter/sources/slot_reader.h"
#include "preload/segment_layout.h"

struct stat;

namespace looptap {

class SegmentFile {
 public:
  /// Opens and validates `name` in the directory; nullptr and a reason when it is rejected.
  /// \param directory stays open for as long as the object lives: the file may be opened anew.
  /// \throws self::Shortage where it cannot be told now what the file is.
  static std::unique_ptr<SegmentFile> open(int directory, const std::string& name, Rejection& why);

  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  const ProcessIdentity& identity() const { return identity_; }

  /// LOOPTAP_SETTING_*: those that the probe did not understand.
  uint32_t wrong_settings() const { return wrong_settings_; }

  uint64_t inode() const { return inode_; }
  uid_t owner() const { return owner_; }  ///< whose file it is

  struct Life {
    enum { kAlive, kDead, kUnknown } state;
    uint64_t exited_ns = 0;  ///< of the dead: when the process exited normally; 0: it was killed
  };
  /// Whether the process still holds its lock. Of one whose file has lost its name, and is not open, the end is seen.
  Life life();
  bool alive() { return life().state == Life::kAlive; }
  uint64_t exited_ns() { return life().exited_ns; }

  /// Copies every loop that has ever been waited on, but no more than the first `most`; see SlotReader::read(). Where the file
  /// cannot be read now, the samples stay as they were.
  const std::vector<LoopSample>& read(uint64_t now_ns, bool settled_for_good,
                                      uint32_t most = LOOPTAP_MOST_LOOPS);

  // As of the last read(), or of open():
  const std::vector<LoopSample>& samples() const { return reader_.samples(); }
  uint32_t loops_used() const { return loops_used_; }        ///< that have a slot
  uint64_t loops_dropped() const { return loops_dropped_; }  ///< that found none
  /// Why it was rejected after it had been opened; then there are no samples.
  std::optional<Rejection> fault() const { return reader_.fault(); }

 private:
  struct Memory : SlotMemory {
    bool read(uint64_t offset, void* to, size_t size) const override;
    bool may_work_later() const override { return is_short; }
    int fd = -1;
    mutable bool is_short = false;  // the last read
  };

  /// The file is open for as long as this lives, if it can be.
  class Look;
  enum class Attached { kOpen, kGone, kNotNow };
  Attached attach();
  void detach();

  SegmentFile(int directory, std::string name, int fd, const struct stat& facts,
              const looptap_header& header);
  static std::optional<Rejection> find_fault(int fd, const struct stat& facts, looptap_header& header);
  void take_counts(uint64_t used, uint64_t dropped);

  const int directory_;
  const std::string name_;
  const uint64_t device_, inode_;
  const uid_t owner_;
  Memory memory_;
  bool stays_open_;
  SlotReader reader_;
  ProcessIdentity identity_;
  uint32_t wrong_settings_ = 0;
  looptap_region loops_{};
  uint32_t loops_used_ = 0;
  uint64_t loops_dropped_ = 0;
};

}  // namespace looptap
