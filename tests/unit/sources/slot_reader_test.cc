// The reader of slots on a memory that is no file, with slots in any order.
#include "exporter/sources/slot_reader.h"

#include <cstring>
#include <functional>

#include "tests/unit/catch.h"
#include "tests/unit/test_loops.h"

using namespace looptap;

namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kStride = sizeof(looptap_loop);

struct PlainMemory : SlotMemory {
  explicit PlainMemory(const TestLoops& from) : loops(from) {}
  bool read(uint64_t offset, void* to, size_t size) const override {
    if (meanwhile) meanwhile(reads);
    reads++;
    bytes += size;
    if (offset + size > loops.slots.size() * kStride) return false;
    std::memcpy(to, reinterpret_cast<const char*>(loops.slots.data()) + offset, size);
    return true;
  }
  const TestLoops& loops;
  std::function<void(unsigned reads)> meanwhile;  // before each read, how many there have been
  mutable unsigned reads = 0;
  mutable uint64_t bytes = 0;
};

/// A loop that has waited once, and was read.
struct WaitedOnce {
  TestLoops loops{1};
  looptap_thread thread = TestLoops::thread(1);
  PlainMemory memory{loops};
  SlotReader reader{memory};

  WaitedOnce() {
    loops.begin(0, thread);
    loops.wait(thread, 0, kMs, 2 * kMs);
    REQUIRE(reader.read(0, 0, 10 * kMs, false));
  }
};

}  // namespace

TEST_CASE("slots of one process may lie anywhere, and their ordinals come in any order") {
  TestLoops loops(8);
  auto thread = TestLoops::thread(1);
  for (const uint32_t slot : {6u, 1u}) {
    loops.begin(slot, thread);
    loops.wait(thread, slot, kMs, (2 + slot) * kMs);
  }
  const PlainMemory memory(loops);
  SlotReader reader(memory);
  REQUIRE(reader.read(1, 6 * kStride, 100 * kMs, false));
  REQUIRE(reader.read(0, 1 * kStride, 100 * kMs, false));
  REQUIRE(reader.read(2, 3 * kStride, 100 * kMs, false));  // holds nothing
  REQUIRE(reader.samples().size() == 2);
  CHECK(reader.samples()[0].ordinal == 0);
  CHECK(reader.samples()[0].wait_ns == 2 * kMs);
  CHECK(reader.samples()[1].ordinal == 1);
  CHECK(reader.samples()[1].wait_ns == 7 * kMs);
}

TEST_CASE("a loop that has not moved is not copied again, one that has is") {
  WaitedOnce once;
  auto& [loops, thread, memory, reader] = once;

  memory.bytes = 0;
  REQUIRE(reader.read(0, 0, 20 * kMs, false));
  CHECK(memory.bytes < 1000);
  CHECK(reader.samples()[0].taken_ns == 20 * kMs);
  CHECK(blocked_ns(reader.samples()[0]) == 18 * kMs);  // an open iteration grows all the same

  loops.wait(thread, 0, 25 * kMs, 26 * kMs);
  memory.reads = 0;
  REQUIRE(reader.read(0, 0, 30 * kMs, false));
  CHECK(memory.reads == 3);  // head, slot, head
  CHECK(reader.samples()[0].waits == 2);
  CHECK(reader.samples()[0].iterations.count() == 1);
}

TEST_CASE("wakeup delays are read where there are new ones, and kept where there are none") {
  TestLoops loops(1);
  auto thread = TestLoops::thread(1);
  loops.begin(0, thread);
  loops.wait(thread, 0, kMs, 7 * kMs, 5 * static_cast<int64_t>(kMs), 0);
  const PlainMemory memory(loops);
  SlotReader reader(memory);
  REQUIRE(reader.read(0, 0, 10 * kMs, false));
  CHECK(reader.samples()[0].wakeup_delays.count() == 1);

  loops.wait(thread, 0, 8 * kMs, 9 * kMs);
  REQUIRE(reader.read(0, 0, 10 * kMs, false));
  CHECK(reader.samples()[0].wakeup_delays.count() == 1);
  CHECK(reader.samples()[0].iterations.count() == 1);

  for (const uint64_t late_ns : {3 * kMs, uint64_t{0}}) {  // none at all is counted beside the buckets
    const uint64_t before = reader.samples()[0].wakeup_delays.count();
    loops.wait(thread, 0, 20 * kMs, 25 * kMs + late_ns, 5 * static_cast<int64_t>(kMs), 0);
    REQUIRE(reader.read(0, 0, 40 * kMs, false));
    CHECK(reader.samples()[0].wakeup_delays.count() == before + 1);
  }
  CHECK(reader.samples()[0].wakeup_delays.total_ns == 4 * kMs);
}

TEST_CASE("an event queue stays with its loop while the slot is read anew") {
  WaitedOnce once;
  auto& [loops, thread, memory, reader] = once;
  CHECK_FALSE(reader.samples()[0].event_queue);
  REQUIRE(reader.event_queue(0));
  reader.event_queue(0)->emplace().zero_count = 3;
  CHECK(reader.event_queue(1) == nullptr);

  for (int again = 0; again < 2; again++) {  // unchanged, and changed
    REQUIRE(reader.read(0, 0, 30 * kMs, false));
    REQUIRE(reader.samples()[0].event_queue);
    CHECK(reader.samples()[0].event_queue->zero_count == 3);
    loops.wait(thread, 0, 20 * kMs, 25 * kMs);
  }
  CHECK(reader.samples()[0].waits == 2);
  REQUIRE(reader.read(0, 0, 40 * kMs, false));
  CHECK(reader.samples()[0].waits == 3);
  CHECK(reader.samples()[0].event_queue->zero_count == 3);
}

TEST_CASE("a wait whose start is not stored yet is not taken for the one before") {
  TestLoops loops(1);
  auto thread = TestLoops::thread(1);
  loops.begin(0, thread);
  loops.wait(thread, 0, 10 * kMs, 310 * kMs);
  PlainMemory memory(loops);
  SlotReader reader(memory);
  REQUIRE(reader.read(0, 0, 320 * kMs, false));
  loops.wait(thread, 0, 330 * kMs, 430 * kMs);

  // It was being counted until just now, and waits again by the end of the copy; so far it has said no more than that.
  looptap_loop& loop = loops.slots[0];
  loop.settled--;
  memory.reads = 0;
  memory.meanwhile = [&](unsigned reads) {
    if (reads == 8) loop.settled++;
    if (reads == 10) loop.state = (loop.state | LOOPTAP_SLEEPING) + LOOPTAP_ONE_TRANSITION + 1;
  };
  REQUIRE(reader.read(0, 0, 440 * kMs, false));
  const LoopSample& sample = reader.samples()[0];
  CHECK(memory.reads == 11);
  CHECK(sample.activity == Activity::kWaiting);
  CHECK(sample.waits == 2);
  CHECK(time_totals(sample).wait_ns == 400 * kMs);
  CHECK(blocked_ns(sample) == 0);
}

TEST_CASE("slots beyond the end of the memory are rejected") {
  TestLoops loops(1);
  auto thread = TestLoops::thread(1);
  loops.begin(0, thread);
  const PlainMemory memory(loops);
  SlotReader reader(memory);
  REQUIRE(reader.read(0, 0, kMs, false));
  CHECK_FALSE(reader.read(1, kStride - 128, kMs, false));
  CHECK(reader.fault() == Rejection::kTruncated);
  CHECK(reader.samples().empty());
  CHECK_FALSE(reader.read(0, 0, 2 * kMs, false));  // for good
}
