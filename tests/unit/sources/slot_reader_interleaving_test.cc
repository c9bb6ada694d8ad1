// The reader of slots against a writer that goes on while it reads: every step of both at an instant of the test's
// choice, the words of one copy in any order. What real threads (segment_file_test.cc) meet once in a thousand runs
// comes here by the thousand, and again from the same seed.
#include "exporter/sources/slot_reader.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <random>

#include "exporter/model/latency.h"
#include "preload/segment_layout.h"
#include "tests/unit/catch.h"

// The operations of loop_state.h, each of which is put on record.

struct looptap_loops {
  looptap_loop* loop;
};

namespace {

struct Write {
  const uint64_t* word;
  uint64_t value;
  uint64_t now_ns;
};
std::deque<Write> g_record;
uint64_t g_now_ns;

uint64_t put(uint64_t* word, uint64_t value) {
  g_record.push_back({word, value, g_now_ns});
  return std::exchange(*word, value);
}

}  // namespace

#define LOOPTAP_INLINE static inline
#define LOOPTAP_NOINLINE_IN_BPF static inline
static inline looptap_loop* looptap_loop_at(const looptap_loops* loops, uint32_t) { return loops->loop; }
static inline looptap_ring* looptap_ring_of(const looptap_loops*) { return nullptr; }
static inline uint64_t looptap_load_relaxed(const uint64_t* word) { return *word; }
static inline uint64_t looptap_load_acquire(const uint64_t* word) { return *word; }
static inline void looptap_store_release(uint64_t* word, uint64_t value) { put(word, value); }
static inline uint64_t looptap_fetch_add(uint64_t* word, uint64_t value) { return put(word, *word + value); }
static inline int looptap_compare_exchange(uint64_t* word, uint64_t expected, uint64_t value) {
  if (*word != expected) return 0;
  put(word, value);
  return 1;
}
static inline uint32_t looptap_log2(uint64_t value) {
  return 63u - static_cast<uint32_t>(__builtin_clzll(value));
}
#include "preload/loop_state.h"

using namespace looptap;

namespace {

constexpr size_t kWords = sizeof(looptap_loop) / 8;
constexpr uint64_t kUs = 1'000, kMs = 1'000'000;

/// A thread that goes round its loop, and what others see of it, one write after the other.
class Writer {
 public:
  explicit Writer(uint64_t seed) : random_(seed) {
    memset(static_cast<void*>(&own_), 0, sizeof own_);
    thread_.number = 1;
    g_now_ns = 1'000 * kMs;
    looptap_begin(&own_, &thread_, g_now_ns);
    g_record.clear();
    memcpy(static_cast<void*>(&seen_), &own_, sizeof own_);
  }

  void step() {
    while (g_record.empty()) go_round();
    const Write write = g_record.front();
    g_record.pop_front();
    reinterpret_cast<uint64_t*>(&seen_)[write.word - reinterpret_cast<const uint64_t*>(&own_)] = write.value;
    now_ns_ = write.now_ns;
  }

  uint64_t seen(size_t word) const { return reinterpret_cast<const uint64_t*>(&seen_)[word]; }
  uint64_t now_ns() const { return now_ns_; }  ///< of its last step

 private:
  /// A wait, and the iteration before it. Many are short, and a fair share of each other kind comes, too.
  void go_round() {
    const uint64_t kinds[] = {0, 500, 3 * kUs, 40 * kUs, 990 * kUs, 2 * kMs, 2 * kMs, 300 * kMs};
    const auto some = [&] { return kinds[random_() % std::size(kinds)] + random_() % 100; };
    const int64_t timeouts_ns[] = {-1, 0, static_cast<int64_t>(kUs), static_cast<int64_t>(kMs)};
    const int64_t timeout_ns = timeouts_ns[random_() % std::size(timeouts_ns)];
    g_now_ns += some();
    const uint32_t number = looptap_enter(&loops_, &thread_, 0, g_now_ns, timeout_ns);
    if (random_() % 64 == 0) return;  // left by a jump: the next one heals it
    g_now_ns += some() + (timeout_ns > 0 ? static_cast<uint64_t>(timeout_ns) : 0);
    looptap_leave(&loops_, &thread_, 0, number, g_now_ns, timeout_ns > 0 ? 0 : 1);
    if (random_() % 64) return;
    looptap_end(&loops_, &thread_, 0, g_now_ns);
    looptap_take_over(&own_, &thread_, 0, g_now_ns);
  }

  looptap_loop own_, seen_;
  looptap_loops loops_{&own_};
  looptap_thread thread_{};
  uint64_t now_ns_ = 0;
  std::mt19937_64 random_;
};

/// What the writer is seen to have written, while it goes on writing.
class MovingMemory : public SlotMemory {
 public:
  MovingMemory(Writer& writer, uint64_t seed) : writer_(writer), random_(seed) {}

  /// \param steps that the writer does, on average, in the time in which a slot is read.
  void set_pace(double steps) { pace_ = steps / kWords; }

  bool read(uint64_t offset, void* to, size_t size) const override {
    std::vector<size_t> order(size / 8);
    std::iota(order.begin(), order.end(), size_t{0});
    switch (random_() % 3) {
      case 0:
        std::reverse(order.begin(), order.end());
        break;
      case 1:
        std::shuffle(order.begin(), order.end(), random_);
        break;
      default:
        break;
    }
    std::exponential_distribution<double> until_next(pace_);
    double next = pace_ > 0 ? until_next(random_) : 1e18;
    for (size_t i = 0; i < order.size(); i++) {
      for (; next < static_cast<double>(i); next += until_next(random_)) writer_.step();
      static_cast<uint64_t*>(to)[order[i]] = writer_.seen(offset / 8 + order[i]);
    }
    return true;
  }

 private:
  Writer& writer_;
  double pace_ = 0;
  mutable std::mt19937_64 random_;
};

/// Looks again and again, and demands that nothing that is shown ever goes back or contradicts itself.
class Watcher {
 public:
  explicit Watcher(const SlotMemory& memory) : reader_(memory) {}

  void look(uint64_t now_ns) {
    REQUIRE(reader_.read(0, 0, now_ns, false));
    REQUIRE(reader_.samples().size() <= 1);
    if (reader_.samples().empty()) return;
    const LoopSample& sample = reader_.samples()[0];
    changes_ += sample.waits != waits_;
    REQUIRE(sample.waits >= std::exchange(waits_, sample.waits));

    for (const auto& bucket : sample.iterations.buckets) {
      if (bucket.index < LOOPTAP_FIRST_SUMMED) continue;
      INFO("bucket " << bucket.index << ": " << bucket.count << " iterations of " << bucket.sum_ns << " ns");
      REQUIRE(bucket.sum_ns > bucket.count * looptap_bound_ns(bucket.index));
      REQUIRE(bucket.sum_ns <= bucket.count * looptap_bound_ns(bucket.index + 1));
    }
    REQUIRE(sample.wakeup_delays.count() >= std::exchange(delays_, sample.wakeup_delays.count()));

    // Open intervals are part of it, and are not longer than they will have been.
    const uint64_t observed_ns = time_totals(sample).observed_ns();
    REQUIRE(observed_ns >= std::exchange(observed_ns_, observed_ns));
    const LatencyHistogram histogram = LatencyDistribution(sample).histogram({10 * kMs});
    REQUIRE(histogram.zero_count >= last_.zero_count);
    REQUIRE(histogram.counts.size() >= last_.counts.size());
    for (size_t k = 0; k < last_.counts.size(); k++) REQUIRE(histogram.counts[k] >= last_.counts[k]);
    last_ = histogram;
  }

  unsigned changes() const { return changes_; }

 private:
  SlotReader reader_;
  unsigned changes_ = 0;
  uint64_t waits_ = 0, delays_ = 0, observed_ns_ = 0;
  LatencyHistogram last_;
};

}  // namespace

TEST_CASE("whatever a thread does between two words of a copy, its loop's figures agree and never go back") {
  // From a loop that stands still for most copies to one that goes round many times in each.
  for (const double pace : {0.05, 0.5, 5.0, 50.0}) {
    unsigned changes = 0;
    for (uint64_t seed = 1; seed <= 15; seed++) {
      INFO("pace " << pace << " seed " << seed);
      const auto writer = std::make_unique<Writer>(seed);
      MovingMemory memory(*writer, seed);
      memory.set_pace(pace);
      Watcher watcher(memory);
      for (int i = 0; i < 40; i++) {
        watcher.look(writer->now_ns());
        for (uint64_t steps = seed % 30; steps > 0; steps--) writer->step();
      }
      changes += watcher.changes();
    }
    INFO("pace " << pace);
    CHECK(changes > 50);  // it does get read
  }
}
