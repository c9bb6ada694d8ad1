// The BPF programs: loaded, attached, and gone when this object goes (or its process, however it ends). The skeleton stays
// behind bpf_programs.cc; libbpf behind it, bpf_attacher.cc and mapped_array.cc. Each hook is a wait_hook.h.
//
// Thread-safety: none. Errors: as told at each function. Units: nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bpf/records.h"
#include "exporter/sources/bpf/bpf_options.h"
#include "exporter/sources/slot_reader.h"

namespace looptap {

class BpfPrograms {
 public:
  /// Checks what the machine allows, loads, attaches, and takes in the targets that run already.
  /// \throws std::runtime_error with one clear line that says what is missing.
  explicit BpfPrograms(const BpfOptions& options);
  ~BpfPrograms();

  /// The hook in use; never kAuto.
  BpfHook hook() const;

  /// Where the slots are: number n at offset n * sizeof(looptap_loop).
  const SlotMemory& slots() const;
  /// An array of looptap_event_queue, by the same numbers; what is there holds where the slot's owner has an `instance`.
  /// nullptr: event queues are not measured.
  const SlotMemory* event_queues() const;
  /// Whose they are, by number. Another thread of the world writes it at any time.
  std::vector<looptap_slot_owner> owners() const;

  /// Those that have a loop or had one, by generation.
  std::vector<looptap_process> processes() const;

  /// The names, without their folders and at most 63 bytes of each, of those files which the process maps now and whose
  /// name begins with a digit.
  /// \param tgid in the initial PID namespace. In one of our own another process may have it, and nothing is told.
  /// \throws std::runtime_error where it cannot be asked now.
  std::vector<std::string> mapped_files(uint32_t tgid) const;

  /// Ends the loops whose instance is closed.
  /// \throws std::runtime_error where the processes cannot be looked at now.
  void reap();

  /// The process is not measured (any more), by this generation or as long as it does not exec. It gives up its slots,
  /// which are free after kSlotGrace_ns: its threads may be in the middle of a BPF program that writes them.
  /// Throws nothing but for want of memory; then it has to be said again.
  void exclude(const looptap_process& process, uint64_t now_ns);

  /// Frees the slots of a process that has ended.
  void forget(uint64_t generation);

  /// Frees the slots that excluded processes gave up kSlotGrace_ns ago or earlier.
  void free_retired_slots(uint64_t now_ns);

  /// Loops that found no slot, and processes that found no room.
  uint64_t dropped() const;

 private:
  struct Loaded;

  std::vector<uint32_t> slots_of(uint64_t generation) const;
  /// The process and the owner of its slots are forgotten. Throws nothing, as does free().
  void disown(uint64_t generation, const std::vector<uint32_t>& slots);
  void free(uint32_t slot);

  std::unique_ptr<Loaded> loaded_;
};

}  // namespace looptap
