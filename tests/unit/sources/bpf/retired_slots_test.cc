#include "exporter/sources/bpf/retired_slots.h"

#include "tests/unit/catch.h"

using namespace looptap;

TEST_CASE("a slot that was given up is not reused before its grace period is over") {
  constexpr uint64_t kStart_ns = 5'000'000'000;
  RetiredSlots retired;
  CHECK(retired.take_reusable(kStart_ns).empty());
  using Slots = std::vector<uint32_t>;
  retired.retire({}, kStart_ns);
  retired.retire({7, 9}, kStart_ns);
  retired.retire({3}, kStart_ns + 10);
  CHECK(retired.take_reusable(kStart_ns + kSlotGrace_ns - 1).empty());
  CHECK(retired.take_reusable(kStart_ns + kSlotGrace_ns) == Slots{7, 9});
  CHECK(retired.take_reusable(kStart_ns + kSlotGrace_ns).empty());
  retired.retire({7}, kStart_ns + kSlotGrace_ns);
  CHECK(retired.take_reusable(kStart_ns + 2 * kSlotGrace_ns) == Slots{3});
  CHECK(retired.take_reusable(kStart_ns + 2 * kSlotGrace_ns) == Slots{7});
  CHECK(retired.take_reusable(kStart_ns + 2 * kSlotGrace_ns).empty());
}
