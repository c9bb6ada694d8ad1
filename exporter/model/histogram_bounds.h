// preload/histogram_scheme.h, for C++.
//
// Pure functions: thread-safe. Nothing throws. Bounds in nanoseconds; the scheme is in docs/segment.md.
#pragma once

#include "preload/operations.h"

#include "preload/histogram_scheme.h"

namespace looptap {

/// Bound number k of 0 .. LOOPTAP_BUCKETS in nanoseconds; bucket k lies between bounds k and k + 1.
inline uint64_t bound_ns(uint32_t k) { return looptap_bound_ns(k); }

}  // namespace looptap
