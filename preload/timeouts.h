/* What is known of a wait's timeout before the call, and after it.
 *
 * For:      probe.cc. C++.
 * Threads:  any; no state.
 * Signals:  async-signal-safe.
 * Errors:   LOOPTAP_UNKNOWN_TIMEOUT where it cannot be told. errno is read, not set.
 * Units:    ns; LOOPTAP_NO_TIMEOUT (loop_state.h).
 */
#ifndef LOOPTAP_TIMEOUTS_H
#define LOOPTAP_TIMEOUTS_H

#include <stdint.h>

#include "preload/operations.h"

#include "preload/loop_state.h"
#include "preload/next_function.h"

namespace looptap {

/* The kernel's structs of 64-bit machines. */
struct timeval64 {
  int64_t seconds;
  int64_t microseconds;
};
struct timespec64 {
  int64_t seconds;
  int64_t nanoseconds;
};

inline int64_t milliseconds_to_ns(int timeout_ms) {
  return timeout_ms < 0 ? LOOPTAP_NO_TIMEOUT : int64_t{timeout_ms} * 1000000;
}

/* A timeout that lies in the host's memory is read only after the kernel has read it, and so has proven that it may be
 * read: a bad pointer is the kernel's to refuse (EFAULT). Before the call nothing is known of it, unless there is none.
 * Should another thread unmap that memory during the wait, reading it kills; it is then plainly freed while in use. */

inline int64_t timeout_before(const void* timeout) {
  return timeout ? LOOPTAP_UNKNOWN_TIMEOUT : LOOPTAP_NO_TIMEOUT;
}

/* Whether the kernel has read all arguments of a wait that returned `result`. EINTR can only come afterwards; every
 * other error may have come before. */
inline bool kernel_took_arguments(int64_t result) {
  constexpr int kInterrupted = 4;  // EINTR
  return result >= 0 || (__errno_location && *__errno_location() == kInterrupted);
}

inline int64_t timeout_after(const timespec64* timeout, int64_t result) {
  if (!timeout) return LOOPTAP_NO_TIMEOUT;
  if (!kernel_took_arguments(result)) return LOOPTAP_UNKNOWN_TIMEOUT;
  constexpr int64_t kMaxSeconds = 1000000000;  // 31 years: treated as no timeout; far from overflow
  if (timeout->seconds > kMaxSeconds) return LOOPTAP_NO_TIMEOUT;
  return timeout->seconds * 1000000000 + timeout->nanoseconds;
}

/* select() writes the time that is left into its timeval. Some is left: it returned in time. None is left: how much
 * there was is not known. musl's select() leaves the timeval alone, and so does a process with STICKY_TIMEOUTS: some
 * is "left" though the call timed out, and that is the timeout itself. */
inline int64_t timeout_after(const timeval64* left, int64_t result) {
  if (!left) return LOOPTAP_NO_TIMEOUT;
  if (!kernel_took_arguments(result) || (!left->seconds && !left->microseconds))
    return LOOPTAP_UNKNOWN_TIMEOUT;
  return result == 0 ? left->seconds * 1000000000 + left->microseconds * 1000 : LOOPTAP_NO_TIMEOUT;
}

}  // namespace looptap

#endif
