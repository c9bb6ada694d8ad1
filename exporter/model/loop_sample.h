// What the exporter knows of one loop at one instant, whatever it was fed by.
//
// Values and pure functions: thread-safe. Nothing throws but for want of memory. Durations and instants (CLOCK_MONOTONIC) in
// nanoseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace looptap {

/// Counters are untrusted input: their sums stay at the most that there is and do not begin anew.
inline uint64_t sum_of(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }
inline uint64_t minus_or_zero(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/// Instants of a writer and of the exporter agree within this (preload/segment_layout.h).
constexpr uint64_t kClockAgreement_ns = 1'000'000;

/// Durations by bucket of preload/histogram_scheme.h, only the buckets that hold any, in ascending order.
struct DurationHistogram {
  struct Bucket {
    uint32_t index;  ///< 0 .. LOOPTAP_BUCKETS - 1
    uint64_t count;
    uint64_t sum_ns;  ///< exact, for iterations from bucket LOOPTAP_FIRST_SUMMED on; else 0
  };
  std::vector<Bucket> buckets;
  uint64_t zero_count = 0;  ///< durations of at most 2^-20 s
  uint64_t total_ns = 0;    ///< sum of all durations, exact

  uint64_t count() const;

  /// Takes over those of LOOPTAP_BUCKETS that hold any.
  /// \param sums_ns of the buckets from LOOPTAP_FIRST_SUMMED on; nullptr: there are none.
  void set_buckets(const uint64_t* counts, const uint64_t* sums_ns);

  /// What came since `earlier`. Counters that seem to have gone back count as not having moved.
  DurationHistogram since(const DurationHistogram& earlier) const;
  void add(const DurationHistogram& other);
};

enum class Activity {
  kDormant,  ///< nobody waits and no iteration is open
  kWaiting,  ///< in a wait that may sleep
  kPolling,  ///< in a wait with timeout 0
  kAway      ///< an iteration is open
};

/// One loop. Instants are CLOCK_MONOTONIC nanoseconds.
struct LoopSample {
  uint32_t ordinal = 0;
  std::string thread_name;
  uint32_t thread_id = 0;

  uint64_t waits = 0;
  uint64_t events = 0;
  uint64_t wait_ns = 0;
  uint64_t poll_ns = 0;
  DurationHistogram iterations;     ///< closed ones
  DurationHistogram wakeup_delays;  ///< of waits that timed out
  /// For how long the oldest event that a wait returned had been ready; nothing: that is not measured.
  std::optional<DurationHistogram> event_queue;

  Activity activity = Activity::kDormant;
  bool nested = false;  ///< runs inside an iteration of another loop, which answers for it
  uint64_t activity_since_ns = 0;
  uint64_t deadline_ns = UINT64_MAX;  ///< of the present wait; UINT64_MAX: none, or not known
  uint64_t taken_ns = 0;              ///< when the sample was taken, not later than the copy
  uint64_t stuck_for_ns =
      0;  ///< for how long its thread has stood still while it counted, as later reads saw
};

/// A sample's counters with what is open at the instant of the sample counted in.
/// The probe's clock and ours agree within 1 ms; open intervals are taken that much shorter, so that a
/// counter never shows more than the interval will have had when it closes.
struct TimeTotals {
  uint64_t wait_ns = 0;
  uint64_t poll_ns = 0;
  uint64_t open_iteration_ns = 0;  ///< age of the open iteration; 0: none (or a nested one)
  uint64_t closed_iterations_ns = 0;

  uint64_t busy_ns() const { return closed_iterations_ns + open_iteration_ns + poll_ns; }
  uint64_t observed_ns() const { return busy_ns() + wait_ns; }  ///< docs/design.md: T
};
TimeTotals time_totals(const LoopSample& sample);

/// Age of the open iteration, or of a wait that is long past its deadline; 0 while the loop waits. A thread that
/// was stopped between a wait and the next statement blocks its loop, too.
uint64_t blocked_ns(const LoopSample& sample);

}  // namespace looptap
