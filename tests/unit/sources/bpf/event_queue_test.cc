// The histogram of an event queue, out of the array that the BPF programs add to.
#include "exporter/sources/bpf/event_queue.h"

#include <cstring>
#include <vector>

#include "bpf/records.h"
#include "tests/unit/catch.h"

using namespace looptap;

namespace {

struct Queues : SlotMemory {
  bool read(uint64_t offset, void* to, size_t size) const override {
    bytes_read += size;
    if (offset + size > queues.size() * sizeof queues[0]) return false;
    std::memcpy(to, reinterpret_cast<const char*>(queues.data()) + offset, size);
    return true;
  }
  std::vector<looptap_event_queue> queues = std::vector<looptap_event_queue>(2);
  mutable uint64_t bytes_read = 0;
};

}  // namespace

TEST_CASE("an event queue is read as it is, from its slot") {
  Queues memory;
  memory.queues[1] = {30, 2, {}};
  memory.queues[1].counts[0] = 5;
  memory.queues[1].counts[LOOPTAP_BUCKETS - 1] = 1;
  std::optional<DurationHistogram> queue;
  read_event_queue(memory, 1, queue);
  REQUIRE(queue);
  CHECK(queue->total_ns == 30);
  CHECK(queue->zero_count == 2);
  CHECK(queue->count() == 8);
  REQUIRE(queue->buckets.size() == 2);
  CHECK(queue->buckets[0].index == 0);
  CHECK(queue->buckets[1].index == LOOPTAP_BUCKETS - 1);

  std::optional<DurationHistogram> other;
  read_event_queue(memory, 0, other);
  REQUIRE(other);  // it is measured, and nothing has come so far
  CHECK(other->count() == 0);
}

TEST_CASE("an event queue is copied anew only where it has changed") {
  Queues memory;
  std::optional<DurationHistogram> queue;
  read_event_queue(memory, 0, queue);
  memory.bytes_read = 0;
  read_event_queue(memory, 0, queue);
  CHECK(memory.bytes_read < 100);

  memory.queues[0].zero_count = 1;
  read_event_queue(memory, 0, queue);
  CHECK(queue->count() == 1);
  memory.queues[0].counts[7] = 1;
  memory.queues[0].total_ns = 1000;
  read_event_queue(memory, 0, queue);
  CHECK(queue->count() == 2);
  CHECK(queue->total_ns == 1000);
}

TEST_CASE("an event queue that is not there leaves what was read before") {
  const Queues memory;
  std::optional<DurationHistogram> queue;
  read_event_queue(memory, 2, queue);
  CHECK_FALSE(queue);
}
