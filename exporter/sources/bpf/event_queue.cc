#include "exporter/sources/bpf/event_queue.h"

#include <cstddef>

#include "bpf/records.h"

namespace looptap {

void read_event_queue(const SlotMemory& queues, uint32_t slot, std::optional<DurationHistogram>& queue) {
  const uint64_t offset = uint64_t{slot} * sizeof(looptap_event_queue);
  looptap_event_queue copy;
  if (!queues.read(offset, &copy, offsetof(looptap_event_queue, counts))) return;
  // Each observation adds to one of these two, at last.
  if (queue && queue->zero_count == copy.zero_count && queue->total_ns == copy.total_ns) return;
  if (!queues.read(offset, &copy, sizeof copy)) return;

  if (!queue) queue.emplace();
  queue->zero_count = copy.zero_count;
  queue->total_ns = copy.total_ns;
  queue->set_buckets(copy.counts, nullptr);
}

}  // namespace looptap
