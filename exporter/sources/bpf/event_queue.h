// For how long events wait for a loop: the histogram that the BPF programs add to, beside the loop's slot.
//
// Thread-safety: as that of the memory that is read. Errors: none; what cannot be read stays as it was. Units: nanoseconds.
#pragma once

#include <cstdint>
#include <optional>

#include "exporter/model/loop_sample.h"
#include "exporter/sources/slot_reader.h"

namespace looptap {

/// Copies it where it has changed, and makes one where there was none.
/// \param queues an array of looptap_event_queue (bpf/records.h), by slot.
/// \param queue of the loop in that slot, as it was last read.
void read_event_queue(const SlotMemory& queues, uint32_t slot, std::optional<DurationHistogram>& queue);

}  // namespace looptap
