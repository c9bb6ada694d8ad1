#include "exporter/sources/slot_reader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>
#include <utility>

#include "exporter/base/label_text.h"
#include "exporter/base/monotonic_clock.h"

namespace looptap {

namespace {

constexpr int kCopyAttempts = 100;
constexpr unsigned kFaultyReads = 2;
constexpr int kStillAttempts = 8;  // after these, a copy of a loop that never stands still is taken, too
constexpr uint64_t kSlack_ns = 1'000'000'000;

void fill_delays(const looptap_loop& loop, DurationHistogram& delays) {
  delays.set_buckets(loop.wakeup_delays, nullptr);
  delays.zero_count = loop.zero_wakeup_delays;
  delays.total_ns = loop.wakeup_delay_ns;
}

/// The present wait may sleep. One of which that is not known yet counts as a sleep once it is older than any poll;
/// until then time_totals() counts nothing, so that nothing shown is taken back.
constexpr uint64_t kMaySleep = LOOPTAP_SLEEPING | LOOPTAP_MAY_POLL;
static_assert(LOOPTAP_POLL_NS <= kClockAgreement_ns);

/// All but the wakeup delays.
void fill_sample(const looptap_loop& loop, uint32_t ordinal, uint64_t now_ns, LoopSample& sample) {
  sample.ordinal = ordinal;
  sample.thread_name =
      label_text(std::string_view(loop.thread_name, strnlen(loop.thread_name, sizeof loop.thread_name)));
  sample.thread_id = loop.thread_id;
  sample.waits = loop.waits;
  sample.events = loop.events;
  sample.wait_ns = loop.wait_ns;
  sample.poll_ns = loop.poll_ns;
  sample.iterations.set_buckets(loop.iterations, loop.iteration_sums_ns);
  sample.iterations.zero_count = loop.zero_iterations;
  sample.iterations.total_ns = loop.short_iterations_ns;
  for (const auto& bucket : sample.iterations.buckets)
    sample.iterations.total_ns = sum_of(sample.iterations.total_ns, bucket.sum_ns);

  sample.nested = loop.state & LOOPTAP_NESTED;
  sample.deadline_ns = loop.state & LOOPTAP_SHARED ? LOOPTAP_NO_DEADLINE : loop.deadline_ns;
  sample.activity_since_ns = loop.state & LOOPTAP_WAITERS ? loop.wait_since_ns : loop.away_since_ns;
  sample.activity = loop.state & LOOPTAP_WAITERS
                        ? (loop.state & kMaySleep ? Activity::kWaiting : Activity::kPolling)
                    : loop.state & LOOPTAP_DORMANT ? Activity::kDormant
                                                   : Activity::kAway;
  sample.taken_ns = now_ns;
  sample.stuck_for_ns = 0;
}

/// Whether a counter of a histogram is less than it was.
bool has_regressed(const DurationHistogram& before, const DurationHistogram& now) {
  if (now.zero_count < before.zero_count || now.total_ns < before.total_ns) return true;
  auto at = now.buckets.begin();
  for (const auto& bucket : before.buckets) {
    while (at != now.buckets.end() && at->index < bucket.index) ++at;
    if (at == now.buckets.end() || at->index != bucket.index || at->count < bucket.count) return true;
  }
  return false;
}

/// What no loop can have measured. Checked so that no sum over samples overflows.
std::optional<Rejection> fault_of(const LoopSample& sample, uint64_t now_ns) {
  const uint64_t most = now_ns + kSlack_ns;  // no loop is older than the machine
  if (sample.activity != Activity::kDormant && sample.activity_since_ns > most) return Rejection::kFuture;
  const uint64_t observed_ns = sum_of(sum_of(sample.wait_ns, sample.poll_ns), sample.iterations.total_ns);
  if (observed_ns > most || sample.waits > most || sample.iterations.count() > most ||
      sample.wakeup_delays.count() > most)
    return Rejection::kImplausible;
  return std::nullopt;
}

/// \param new_delays they are not those of `before`.
std::optional<Rejection> fault_of(const LoopSample& before, const LoopSample& now, bool new_delays) {
  if (now.waits < before.waits || now.events < before.events || now.wait_ns < before.wait_ns ||
      now.poll_ns < before.poll_ns || has_regressed(before.iterations, now.iterations) ||
      (new_delays && has_regressed(before.wakeup_delays, now.wakeup_delays)))
    return Rejection::kRegressed;
  return std::nullopt;
}

std::atomic<looptap_loop*> g_spare_copy{nullptr};

/// Where a slot is copied to. Not on the stack: a slot is 22 KB, and civetweb gives its threads 100 KB. Not of the thread:
/// where there is no memory to register its destructor, glibc ends the process. So the last one who is done leaves it to
/// the next one, whatever their threads.
class SlotCopy {
 public:
  SlotCopy() : at_(g_spare_copy.exchange(nullptr)) {
    if (!at_) at_ = new looptap_loop;
  }
  SlotCopy(const SlotCopy&) = delete;
  SlotCopy& operator=(const SlotCopy&) = delete;
  ~SlotCopy() { delete g_spare_copy.exchange(at_); }
  looptap_loop& slot() const { return *at_; }

 private:
  looptap_loop* at_;
};

}  // namespace

bool SlotReader::Head::operator==(const Head& other) const { return memcmp(words, other.words, kSize) == 0; }

bool SlotReader::read_head(uint64_t offset, Head& head) const {
  // Keeps reads in the order head, slot, head; pairs with the writer, which changes the head before and after counters.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool ok = memory_.read(offset, head.words, Head::kSize);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return ok;
}

SlotReader::Taken SlotReader::copy_slot(Slot& slot, uint64_t offset, uint64_t now_ns, bool take_unsettled,
                                        looptap_loop& copy) {
  Head before, after;
  for (int attempt = 0; attempt < kCopyAttempts; attempt++) {
    if (!read_head(offset, before)) return {unreadable(), {}, false};
    if (before.owner() == 0) return {Copy::kUnused, {}, false};
    // Counters change only between the beginning and the end of a transition, and both change the head.
    if (slot.published_settled && before == slot.published) return {Copy::kUnchanged, {}, false};
    if (!before.is_settled() && !take_unsettled) continue;
    const bool without_delays = slot.published_settled && before.same_delays(slot.published);
    const size_t size = without_delays ? offsetof(looptap_loop, wakeup_delays) : sizeof copy;
    if (!memory_.read(offset, &copy, size) || !read_head(offset, after)) return {unreadable(), {}, false};
    const Copy taken = without_delays ? Copy::kTakenWithoutDelays : Copy::kTaken;
    if (before.same_state(after)) return {taken, after, after.is_settled()};

    // A loop that spins is never still for as long as a copy takes, and would have no figures at all. Its copy is
    // usable all the same if no long iteration was counted meanwhile (counts and sums belong together), and if the
    // iteration that was last shown as open had been counted before the copy began: then no total goes back.
    const bool shown_is_closed = before.state() != slot.published.state();
    const bool long_stood_still =
        before.long_begun() == before.long_settled() && before.long_begun() == after.long_begun();
    if (shown_is_closed && long_stood_still && attempt >= kStillAttempts) {
      copy.state = after.state();
      // It came to this state after `before` was read. The instants in the copy may be those of the wait before, which
      // has been counted already.
      copy.away_since_ns = copy.wait_since_ns = now_ns;
      copy.deadline_ns = LOOPTAP_NO_DEADLINE;
      return {taken, after, false};
    }
  }
  if (!slot.stuck_since_ns || before.state() != slot.stuck_state || before.settled() != slot.stuck_settled) {
    slot.stuck_state = before.state();
    slot.stuck_settled = before.settled();
    slot.stuck_since_ns = now_ns;
  }
  return {Copy::kInconsistent, {}, false};
}

std::vector<LoopSample>::iterator SlotReader::place_of(uint32_t ordinal) {
  return std::lower_bound(samples_.begin(), samples_.end(), ordinal,
                          [](const LoopSample& sample, uint32_t wanted) { return sample.ordinal < wanted; });
}

std::optional<DurationHistogram>* SlotReader::event_queue(uint32_t ordinal) {
  const auto place = place_of(ordinal);
  return place != samples_.end() && place->ordinal == ordinal ? &place->event_queue : nullptr;
}

void SlotReader::forget_from(uint32_t ordinal) {
  if (slots_.size() <= ordinal) return;
  slots_.resize(ordinal);
  samples_.erase(place_of(ordinal), samples_.end());
}

void SlotReader::reject(Rejection why) {
  fault_ = why;
  samples_.clear();
}

bool SlotReader::read(uint32_t ordinal, uint64_t offset, uint64_t now_ns, bool settled_for_good) {
  if (fault_) return false;
  if (slots_.size() <= ordinal) slots_.resize(ordinal + 1);
  Slot& slot = slots_[ordinal];
  const auto place = place_of(ordinal);
  const bool seen_before = place != samples_.end() && place->ordinal == ordinal;
  const SlotCopy whole;
  looptap_loop& copy = whole.slot();

  const auto [taken, head, is_settled] =
      copy_slot(slot, offset, now_ns, settled_for_good && !seen_before, copy);
  switch (taken) {
    case Copy::kUnused:
      return true;
    case Copy::kUnreadable:
      reject(Rejection::kTruncated);
      return false;
    case Copy::kUnchanged:
      place->taken_ns = now_ns;
      place->stuck_for_ns = 0;
      slot.stuck_since_ns = 0;
      return true;
    case Copy::kInconsistent:
      inconsistent_reads_.increment();
      if (seen_before) place->stuck_for_ns = now_ns > slot.stuck_since_ns ? now_ns - slot.stuck_since_ns : 0;
      return true;
    case Copy::kFailed:
      inconsistent_reads_.increment();
      return true;
    case Copy::kTaken:
    case Copy::kTakenWithoutDelays:
      break;
  }

  LoopSample sample;
  if (seen_before) {  // it will hardly need more room than the one before
    sample.iterations.buckets.reserve(place->iterations.buckets.size());
    if (taken == Copy::kTaken) sample.wakeup_delays.buckets.reserve(place->wakeup_delays.buckets.size());
  }
  fill_sample(copy, ordinal, now_ns, sample);
  if (taken == Copy::kTaken) fill_delays(copy, sample.wakeup_delays);
  const uint64_t clock_ns = std::max(now_ns, monotonic_now_ns());  // the dead are read as of their death
  auto fault = fault_of(sample, clock_ns);
  if (!fault && seen_before) fault = fault_of(*place, sample, taken == Copy::kTaken);
  if (fault) {
    // Not at the first fault: a word that changes while it is copied may be torn.
    slot.published_settled = false;
    inconsistent_reads_.increment();
    if (++slot.faults < kFaultyReads) return true;
    reject(*fault);
    return false;
  }
  if (taken == Copy::kTakenWithoutDelays) sample.wakeup_delays = std::move(place->wakeup_delays);
  if (seen_before) {
    sample.event_queue.swap(place->event_queue);
    *place = std::move(sample);
  } else {
    samples_.insert(place, std::move(sample));
  }
  // Only now: a copy whose sample could not be kept must not pass for the one that is shown.
  slot.published = head;
  slot.published_settled = is_settled;
  slot.faults = 0;
  slot.stuck_since_ns = 0;
  return true;
}

}  // namespace looptap
