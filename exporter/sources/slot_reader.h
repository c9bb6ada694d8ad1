// Copies loops out of slots (struct looptap_loop) while other processes write to them. Slots are untrusted input: a copy is
// taken only where it is consistent, and used only after it is checked.
//
// Thread-safety: none; one reader in one thread at a time. Errors: fault(); what could not be copied is counted in
// self::inconsistent_reads(). Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "exporter/model/loop_sample.h"
#include "exporter/self/own_metrics.h"
#include "exporter/sources/rejection.h"
#include "preload/segment_layout.h"

namespace looptap {

/// Where slots lie: a file that is read, a mapping that is copied from.
class SlotMemory {
 public:
  virtual ~SlotMemory() = default;

  /// Copies `size` bytes at `offset` (both multiples of 8); false where they are not all there. A word of 8 bytes may,
  /// rarely, be torn. What it copies is not older than the call.
  virtual bool read(uint64_t offset, void* to, size_t size) const = 0;

  /// Whether the last read() that gave false did so for a reason that can pass: what it should have copied may be there.
  virtual bool may_work_later() const { return false; }
};

/// The loops of one process.
class SlotReader {
 public:
  /// \param memory must outlive the reader.
  explicit SlotReader(const SlotMemory& memory) : memory_(memory) {}

  /// Makes a sample of what the slot holds, which is the process' loop number `ordinal`; nothing where it never held
  /// any. Where its thread is in the middle of an update, the loop keeps its previous sample, and the read counts as
  /// inconsistent.
  /// A slot stays with its ordinal for as long as the reader lives. Where this throws, for want of memory, all is as before.
  /// \param offset of the slot in the memory.
  /// \param now_ns the instant of the sample: now, or when the process died.
  /// \param settled_for_good the process is dead, so that a loop that was never read is taken as it was left.
  /// \return false where there is a fault() now.
  bool read(uint32_t ordinal, uint64_t offset, uint64_t now_ns, bool settled_for_good);

  /// The last ones, by ordinal.
  const std::vector<LoopSample>& samples() const { return samples_; }

  /// Part of the loop's sample that is no part of the slot: the source fills it, and read() keeps it. nullptr: the loop
  /// has no sample.
  std::optional<DurationHistogram>* event_queue(uint32_t ordinal);

  /// Has none of the loops from this one on any more.
  void forget_from(uint32_t ordinal);

  /// Why this memory was rejected; then there are no samples any more.
  std::optional<Rejection> fault() const { return fault_; }
  /// Rejects it for what the caller found.
  void reject(Rejection why);

 private:
  /// A slot up to its histograms: what the loop does now, and whether an update is under way.
  struct Head {
    static constexpr size_t kSize = offsetof(looptap_loop, iterations);
    uint64_t words[kSize / 8];

    uint64_t word(size_t offset) const { return words[offset / 8]; }
    uint64_t state() const { return word(offsetof(looptap_loop, state)); }
    uint64_t settled() const { return word(offsetof(looptap_loop, settled)); }
    uint64_t owner() const { return word(offsetof(looptap_loop, owner)); }
    uint64_t long_begun() const { return word(offsetof(looptap_loop, long_begun)); }
    uint64_t long_settled() const { return word(offsetof(looptap_loop, long_settled)); }

    bool is_settled() const { return state() >> 24 == (settled() & LOOPTAP_TRANSITIONS); }
    bool same_state(const Head& other) const {
      return state() == other.state() && settled() == other.settled();
    }
    bool operator==(const Head& other) const;
    /// Whether it holds the same wakeup delays: each of them adds to one of these.
    bool same_delays(const Head& other) const {
      return word(offsetof(looptap_loop, wakeup_delay_ns)) ==
                 other.word(offsetof(looptap_loop, wakeup_delay_ns)) &&
             word(offsetof(looptap_loop, zero_wakeup_delays)) ==
                 other.word(offsetof(looptap_loop, zero_wakeup_delays));
    }
  };

  struct Slot {
    Head published;                               // of the sample that was last handed out,
    bool published_settled = false;               // and whether it was a still one
    uint64_t stuck_state = 0, stuck_settled = 0;  // what could not be read the last time,
    uint64_t stuck_since_ns = 0;                  // and since when it has looked like that; 0: it could
    unsigned faults = 0;                          // in a row
  };

  enum class Copy {
    kTaken,
    kTakenWithoutDelays,  ///< which are those of the last sample
    kUnchanged,
    kInconsistent,
    kFailed,  ///< this time
    kUnused,
    kUnreadable
  };
  /// What of a copy is kept in its Slot, once its sample is there.
  struct Taken {
    Copy what;
    Head head;
    bool is_settled;
  };

  std::vector<LoopSample>::iterator place_of(uint32_t ordinal);
  bool read_head(uint64_t offset, Head& head) const;
  Taken copy_slot(Slot& slot, uint64_t offset, uint64_t now_ns, bool take_unsettled, looptap_loop& copy);
  Copy unreadable() const { return memory_.may_work_later() ? Copy::kFailed : Copy::kUnreadable; }

  const SlotMemory& memory_;
  std::optional<Rejection> fault_;
  std::vector<Slot> slots_;  // by ordinal
  std::vector<LoopSample> samples_;
  self::Counter inconsistent_reads_ = self::inconsistent_reads();
};

}  // namespace looptap
