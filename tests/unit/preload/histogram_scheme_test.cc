// The buckets are exactly those of a native histogram of schema 5: tested on both sides of every bound.
#include "tests/unit/catch.h"

#include <cmath>

#include "exporter/model/histogram_bounds.h"

namespace {

/// Bound k of 0 .. 1024 in ns, from its definition; a long double has 64 bits, the largest bound takes 42.
long double exact_bound_ns(int k) { return 1e9L * std::exp2(static_cast<long double>(k) / 32 - 20); }

}  // namespace

TEST_CASE("every bound is the definition, rounded down") {
  for (int k = 0; k <= LOOPTAP_BUCKETS; k++) {
    const long double exact = exact_bound_ns(k);
    INFO("bound " << k);
    // The long double is exact enough unless the bound is within 1e-6 of a whole number and not itself whole.
    const bool whole = k % 32 == 0 && k / 32 - 20 >= -9;
    if (!whole) REQUIRE(std::abs(exact - std::round(exact)) > 1e-6L);
    REQUIRE(looptap::bound_ns(static_cast<uint32_t>(k)) ==
            static_cast<uint64_t>(whole ? std::round(exact) : std::floor(exact)));
  }
}

TEST_CASE("a duration at a bound lands below it, one nanosecond more above") {
  for (uint32_t k = 0; k <= LOOPTAP_BUCKETS; k++) {
    const uint64_t bound = looptap::bound_ns(k);
    INFO("bound " << k << " = " << bound << " ns");
    REQUIRE(looptap_bucket(bound) == static_cast<int32_t>(k) - 1);
    REQUIRE(looptap_bucket(bound + 1) ==
            (k < LOOPTAP_BUCKETS ? static_cast<int32_t>(k) : LOOPTAP_BUCKETS - 1));
  }
}

TEST_CASE("every duration has a bucket") {
  REQUIRE(looptap_bucket(0) == LOOPTAP_ZERO_BUCKET);
  REQUIRE(looptap_bucket(1) == LOOPTAP_ZERO_BUCKET);
  REQUIRE(looptap_bucket(953) == LOOPTAP_ZERO_BUCKET);
  REQUIRE(looptap_bucket(954) == 0);
  REQUIRE(looptap_bucket(UINT64_MAX) == LOOPTAP_BUCKETS - 1);
  for (int shift = 0; shift < 64; shift++) {
    const int32_t bucket = looptap_bucket(1ull << shift);
    REQUIRE(bucket >= LOOPTAP_ZERO_BUCKET);
    REQUIRE(bucket < LOOPTAP_BUCKETS);
  }
}

TEST_CASE("every duration up to 2 ms lies between the bounds of its bucket") {
  int32_t expected = LOOPTAP_ZERO_BUCKET;
  for (uint64_t ns = 0; ns <= 2'000'000; ns++) {
    if (ns > looptap::bound_ns(static_cast<uint32_t>(expected + 1))) expected++;
    if (looptap_bucket(ns) != expected) {
      INFO(ns);
      REQUIRE(looptap_bucket(ns) == expected);
    }
  }
}

TEST_CASE("the first bucket with a sum begins above 2^-10 s") {
  REQUIRE(looptap::bound_ns(LOOPTAP_FIRST_SUMMED) == 976'562);
}
