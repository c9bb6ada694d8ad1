#include "exporter/model/packed_histogram.h"

#include "preload/segment_layout.h"
#include "tests/unit/catch.h"

using namespace looptap;

TEST_CASE("a packed histogram is what it was made of, to the last bit") {
  DurationHistogram histogram;
  SECTION("nothing") {}
  SECTION("only what is too short for a bucket") { histogram.zero_count = 7; }
  SECTION("small and largest numbers") {
    histogram.total_ns = UINT64_MAX;
    histogram.zero_count = UINT64_MAX;
    histogram.buckets = {{0, 1, 0},
                         {1, 127, 128},
                         {LOOPTAP_FIRST_SUMMED, 16383, 16384},
                         {LOOPTAP_BUCKETS - 1, UINT64_MAX, UINT64_MAX}};
  }
  const DurationHistogram found = PackedHistogram(histogram).unpack();
  CHECK(found.zero_count == histogram.zero_count);
  CHECK(found.total_ns == histogram.total_ns);
  REQUIRE(found.buckets.size() == histogram.buckets.size());
  for (size_t i = 0; i < found.buckets.size(); i++) {
    CHECK(found.buckets[i].index == histogram.buckets[i].index);
    CHECK(found.buckets[i].count == histogram.buckets[i].count);
    CHECK(found.buckets[i].sum_ns == histogram.buckets[i].sum_ns);
  }
}
