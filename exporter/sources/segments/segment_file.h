// Reads one segment. Segments are untrusted input: every size is checked before use, and the file is read with pread, so
// that one that shrinks meanwhile is an error and no SIGBUS.
//
// Thread-safety: none. Errors: open() gives a reason; later ones are fault(). Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

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

namespace looptap {

class SegmentFile {
 public:
  /// Opens and validates `name` in the directory; nullptr and a reason when it is rejected.
  static std::unique_ptr<SegmentFile> open(int directory, const std::string& name, Rejection& why);

  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  const ProcessIdentity& identity() const { return identity_; }

  /// Whether the process still holds its lock.
  bool alive() const;
  /// When the process exited normally; 0: it lives, or was killed.
  uint64_t exited_ns() const;

  /// Copies every loop that has ever been waited on; see SlotReader::read().
  const std::vector<LoopSample>& read(uint64_t now_ns, bool settled_for_good);

  // As of the last read():
  const std::vector<LoopSample>& samples() const { return reader_.samples(); }
  uint64_t loops_dropped() const { return loops_dropped_; }  ///< that found no slot
  /// Why it was rejected after it had been opened; then there are no samples.
  std::optional<Rejection> fault() const { return reader_.fault(); }

 private:
  struct Memory : SlotMemory {
    explicit Memory(int descriptor) : fd(descriptor) {}
    bool read(uint64_t offset, void* to, size_t size) const override;
    const int fd;
  };

  SegmentFile(int fd, const looptap_header& header);
  static std::optional<Rejection> find_fault(int fd, looptap_header& header);

  const int fd_;
  const Memory memory_;
  SlotReader reader_;
  ProcessIdentity identity_;
  looptap_region loops_{};
  uint64_t loops_dropped_ = 0;
};

}  // namespace looptap
