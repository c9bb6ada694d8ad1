// Where loops come from: one LoopSource for each kind of feed (segments of preloaded processes, eBPF).
//
// Thread-safety: none; the caller makes one call at a time. Errors: what is lost or rejected is counted in losses().
// Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "exporter/model/loop_sample.h"
#include "exporter/model/process_identity.h"

namespace looptap {

/// A process as its source knows it.
class SourceProcess {
 public:
  explicit SourceProcess(ProcessIdentity who);
  virtual ~SourceProcess() = default;

  /// No other process of any source has or had it, as long as this exporter runs.
  const uint64_t id;
  const ProcessIdentity identity;

  uint64_t last_alive_ns = 0;             ///< when it was last seen alive; 0: never
  std::optional<uint64_t> dead_since_ns;  ///< when it was first seen dead
  uint64_t exited_ns = 0;                 ///< of the dead: when it exited normally; 0: it was killed

  /// Its loops by ordinal, as of the source's last read().
  virtual const std::vector<LoopSample>& samples() const = 0;

  /// The instant for which its samples hold, where they are read now: a dead process' figures stand at its exit, or
  /// where it was last seen alive.
  uint64_t as_of(uint64_t now_ns) const;
};

/// What a source reads of its losses, or is now in the way of. What it sees happen it counts itself, where it happens:
/// exporter/self.
struct SourceLosses {
  /// A counter: loops that found no slot. Who looked for one, a probe or a BPF program, counts them in memory of its
  /// own; this is the sum of these fields, and of what they held last where they are no longer there.
  uint64_t dropped_loops = 0;
  /// A counter: loops that have a slot and are not shown, as there are more than may be shown (--segments.max-loops).
  uint64_t loops_over_limit = 0;
  uint64_t unremovable = 0;  ///< a gauge: feeds of dead processes that we would remove and may not

  SourceLosses& operator+=(const SourceLosses& other);
};

class LoopSource {
 public:
  virtual ~LoopSource() = default;

  /// As logs and looptap_errors_total name it.
  virtual const char* name() const = 0;

  /// Finds new processes and deaths; drops those that have been dead for longer than they are shown.
  virtual void refresh(uint64_t now_ns) = 0;

  /// Samples every loop of the processes anew. Drops those that have to be rejected.
  virtual void read(uint64_t now_ns) = 0;

  /// In an order that stays. Valid until the next refresh() or read().
  virtual std::vector<const SourceProcess*> processes() const = 0;

  virtual SourceLosses losses() const = 0;
};

}  // namespace looptap
