// Slots that a process has given up, until they may be another one's.
//
// For:      BpfPrograms.
// Threads:  none of its own; one at a time.
// Errors:   std::bad_alloc, from retire().
// Units:    ns of CLOCK_MONOTONIC; slots by number.
//
// A BPF program that has looked a slot up goes on to write it, whatever the exporter does meanwhile to the slot's owner.
// It cannot sleep, so it is done soon; until then the slot must not be a loop of somebody else, who would be left by a
// thread that never was in it.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace looptap {

/// Far longer than any BPF program runs, and short for a table of loops that is full.
constexpr uint64_t kSlotGrace_ns = 1'000'000'000;

class RetiredSlots {
 public:
  /// \throws std::bad_alloc with nothing changed.
  void retire(const std::vector<uint32_t>& slots, uint64_t now_ns) { retired_.push_back({slots, now_ns}); }

  /// Some whose grace period is over, each once; empty: there are no more. Throws nothing.
  std::vector<uint32_t> take_reusable(uint64_t now_ns) {
    std::vector<uint32_t> reusable;
    while (reusable.empty() && !retired_.empty() && now_ns >= retired_.front().since_ns + kSlotGrace_ns) {
      reusable = std::move(retired_.front().slots);
      retired_.pop_front();
    }
    return reusable;
  }

 private:
  struct Retired {
    std::vector<uint32_t> slots;
    uint64_t since_ns;
  };
  std::deque<Retired> retired_;  // the oldest first
};

}  // namespace looptap
