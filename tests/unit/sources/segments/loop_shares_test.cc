// Who loses where there are too many loops.
#include "exporter/sources/segments/loop_shares.h"

#include "tests/unit/catch.h"

using namespace looptap;

using Loops = std::map<uid_t, uint64_t>;

TEST_CASE("who wants no more than an equal share gets it, the others share the rest") {
  CHECK(fair_shares({{0, 1000}, {1, 3}}, 100) == Loops{{0, 97}, {1, 3}});
  CHECK(fair_shares({{0, 1000}, {1, 60}, {2, 10}}, 100) == Loops{{0, 45}, {1, 45}, {2, 10}});
  CHECK(fair_shares({{0, 50}, {1, 50}}, 100) == Loops{{0, 50}, {1, 50}});
}

TEST_CASE("where there is room for all, all get what they want") {
  CHECK(fair_shares({{0, 10}, {1, 20}}, 100) == Loops{{0, 10}, {1, 20}});
  CHECK(fair_shares({}, 100).empty());
}

TEST_CASE("shares are never more than there is, also of less than one for each") {
  CHECK(fair_shares({{0, 5}, {1, 5}, {2, 5}}, 2) == Loops{{0, 0}, {1, 1}, {2, 1}});
  for (uint64_t most = 0; most < 40; most++) {
    uint64_t sum = 0;
    for (const auto& [user, loops] : fair_shares({{0, 7}, {1, 11}, {2, 1}, {3, 13}}, most)) sum += loops;
    CHECK(sum == std::min<uint64_t>(most, 32));
  }
}
