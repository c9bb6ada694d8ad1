/* The buckets of durations: which one a duration falls into, and where each ends.
 *
 * For:      the writers (preload/, bpf/) and the reader (exporter/). C subset.
 * Calls:    looptap_log2() and LOOPTAP_INLINE, which the includer defines (preload/operations.h, bpf/operations.h).
 * Threads:  reads constants only: any thread, async-signal-safe.
 * Errors:   none: every duration has a bucket.
 * Units:    whole ns, so that "d <= bound" is "d <= floor(bound)" and integers decide exactly.
 *
 * They are exactly the buckets of a Prometheus native histogram of schema 5: the upper bounds are 2^(n/32) seconds and
 * inclusive. Bucket i of 0..1023 covers ( 2^(i/32 - 20), 2^((i+1)/32 - 20) ] seconds; it is bucket i - 639 in
 * Prometheus' numbering (i - 640 in OpenTelemetry's). Durations of at most 2^-20 s have a counter of their own
 * (LOOPTAP_ZERO_BUCKET); the last bucket also holds what is longer than 2^12 s.
 */
#ifndef LOOPTAP_HISTOGRAM_SCHEME_H
#define LOOPTAP_HISTOGRAM_SCHEME_H

#include "preload/segment_layout.h"

enum { LOOPTAP_ZERO_BUCKET = -1 };

/* floor(10^9 * 2^(12 + j/32)): the bounds of one octave in nanoseconds, from which all others follow by
 * shifting, since floor(floor(x) / 2^n) = floor(x / 2^n). Computed with integers of any size. */
static const uint64_t looptap_octave_bounds_ns[32] = {
    4096000000000ull, 4185690720887ull, 4277345412822ull, 4371007081172ull, 4466719672996ull,
    4564528097672ull, 4664478247963ull, 4766617021552ull, 4870992343051ull, 4977653186480ull,
    5086649598252ull, 5198032720657ull, 5311854815850ull, 5428169290382ull, 5547030720253ull,
    5668494876523ull, 5792618751480ull, 5919460585377ull, 6049079893768ull, 6181537495422ull,
    6316895540870ull, 6455217541561ull, 6596568399664ull, 6741014438518ull, 6888623433758ull,
    7039464645109ull, 7193608848889ull, 7351128371212ull, 7512097121932ull, 7676590629315ull,
    7844686075482ull, 8016462332622ull,
};

/* For a duration of 2^e * (1 + cell/64 ...) ns: the last bucket bound below the cell's start, as a bound
 * number relative to 32 * (e - 10). A cell is narrower than a bucket, so one comparison does the rest. */
static const int8_t looptap_cell_bounds[64] = {
    3,  4,  4,  5,  6,  6,  7,  8,  8,  9,  9,  10, 11, 11, 12, 13, 13, 14, 14, 15, 15, 16,
    16, 17, 17, 18, 19, 19, 20, 20, 21, 21, 22, 22, 22, 23, 23, 24, 24, 25, 25, 26, 26, 27,
    27, 27, 28, 28, 29, 29, 29, 30, 30, 31, 31, 31, 32, 32, 33, 33, 33, 34, 34, 34,
};

/* Bound number k of 0..1024 in nanoseconds, rounded down: the inclusive end of bucket k - 1. */
LOOPTAP_INLINE uint64_t looptap_bound_ns(uint32_t k) {
  return looptap_octave_bounds_ns[k & 31] >> ((32 - (k >> 5)) & 63);
}

/* The bucket of a duration: 0..1023, or LOOPTAP_ZERO_BUCKET. */
LOOPTAP_INLINE int32_t looptap_bucket(uint64_t duration_ns) {
  int32_t bucket;
  uint32_t exponent;
  if (duration_ns <= looptap_bound_ns(0)) return LOOPTAP_ZERO_BUCKET;
  if (duration_ns > looptap_bound_ns(LOOPTAP_BUCKETS)) return LOOPTAP_BUCKETS - 1;
  exponent = looptap_log2(duration_ns);
  bucket = looptap_cell_bounds[(duration_ns >> (exponent - 6)) & 63] + 32 * ((int32_t)exponent - 10);
  return bucket + (duration_ns > looptap_bound_ns((uint32_t)(bucket + 1)));
}

#endif
