// Threads that enter and leave one loop at the same time: every order in which two of them can reach memory with a few
// switches between them, and many orders of three. Each operation of loop_state.h on memory is a step, and the test says who takes the next one.
#include <ucontext.h>

#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "preload/segment_layout.h"
#include "tests/unit/catch.h"

struct looptap_loops {
  looptap_loop* loop;
};

namespace {

void step();  // lets others go first

}  // namespace

#define LOOPTAP_INLINE static inline
#define LOOPTAP_NOINLINE_IN_BPF static inline
static inline looptap_loop* looptap_loop_at(const looptap_loops* loops, uint32_t) { return loops->loop; }
static inline looptap_ring* looptap_ring_of(const looptap_loops*) { return nullptr; }
static inline uint64_t looptap_load_relaxed(const uint64_t* word) { return step(), *word; }
static inline uint64_t looptap_load_acquire(const uint64_t* word) { return step(), *word; }
static inline void looptap_store_release(uint64_t* word, uint64_t value) { step(), *word = value; }
static inline uint64_t looptap_fetch_add(uint64_t* word, uint64_t value) {
  step();
  return std::exchange(*word, *word + value);
}
static inline int looptap_compare_exchange(uint64_t* word, uint64_t expected, uint64_t value) {
  step();
  if (*word != expected) return 0;
  *word = value;
  return 1;
}
static inline uint32_t looptap_log2(uint64_t value) {
  return 63u - static_cast<uint32_t>(__builtin_clzll(value));
}
#include "preload/loop_state.h"

namespace {

/// Runs functions by turns on stacks of their own, one step of one of them at a time.
class Turns {
 public:
  /// Chooses who takes the next step: one of `count` that can go on. `present` has taken the last one; `count` if it is
  /// done.
  using Choice = std::function<size_t(size_t count, size_t present)>;

  void run(const std::vector<std::function<void()>>& functions, const Choice& choose) {
    choose_ = &choose;
    for (const auto& function : functions) {
      auto& thread = going_.emplace_back(std::make_unique<Thread>());
      thread->function = &function;
      getcontext(&thread->context);
      thread->context.uc_stack.ss_sp = thread->stack;
      thread->context.uc_stack.ss_size = sizeof thread->stack;
      thread->context.uc_link = &outside_;
      makecontext(&thread->context, &Turns::start, 0);
    }
    present_ = this;
    running_ = going_.size();
    while (!going_.empty()) {
      running_ = next();
      swapcontext(&outside_, &going_[running_]->context);
      going_.erase(going_.begin() + static_cast<ptrdiff_t>(running_));
      running_ = going_.size();
    }
    present_ = nullptr;
  }

  /// Within a function: the others may go first.
  static void yield() {
    if (!present_) return;
    const size_t before = present_->running_;
    present_->running_ = present_->next();
    if (present_->running_ != before)
      swapcontext(&present_->going_[before]->context, &present_->going_[present_->running_]->context);
  }

 private:
  struct Thread {
    ucontext_t context;
    const std::function<void()>* function;
    alignas(16) char stack[64 << 10];
  };

  size_t next() const { return going_.size() == 1 ? 0 : (*choose_)(going_.size(), running_); }
  static void start() { (*present_->going_[present_->running_]->function)(); }

  std::vector<std::unique_ptr<Thread>> going_;
  const Choice* choose_ = nullptr;
  ucontext_t outside_;
  size_t running_ = 0;  // which of those that go on
  static inline Turns* present_ = nullptr;
};

uint64_t g_now_ns;

void step() {
  Turns::yield();
  g_now_ns += 1000;
}

/// Looks at the clock, which is a step, too: what follows may come much later.
uint64_t look_at_clock() { return step(), g_now_ns; }

/// One loop and three threads.
struct Scene {
  looptap_loop loop;
  looptap_loops loops{&loop};
  looptap_thread threads[3] = {};
  uint32_t numbers[3] = {};
  uint64_t first_ns = 0;

  Scene() {
    memset(static_cast<void*>(&loop), 0, sizeof loop);
    for (uint64_t i = 0; i < 3; i++) threads[i].number = i + 1;
    looptap_begin(&loop, &threads[0], look_at_clock());
    first_ns = g_now_ns;
  }

  void enter(int i) {
    const uint64_t now_ns = look_at_clock();
    numbers[i] = looptap_enter(&loops, &threads[i], 0, now_ns, LOOPTAP_NO_TIMEOUT);
  }
  void leave(int i) {
    const uint64_t now_ns = look_at_clock();
    looptap_leave(&loops, &threads[i], 0, numbers[i], now_ns, 1);
  }
  void end(int i) {
    const uint64_t now_ns = look_at_clock();
    looptap_end(&loops, &threads[i], 0, now_ns);
  }

  uint64_t counted_ns() const {
    uint64_t sum = loop.wait_ns + loop.poll_ns + loop.short_iterations_ns;
    for (const uint64_t each : loop.iteration_sums_ns) sum += each;
    return sum;
  }
};

using Actions = std::vector<std::function<void(Scene&)>>;

struct Story {
  const char* what;
  int waiting;      // threads 0 .. waiting - 1 are in a wait at the beginning
  Actions actions;  // of one thread each, at the same time
  int waits;        // that have returned at the end
};

/// Whether all time has been counted once, from the first wait to the last transition, whoever was when where.
void check(Scene& scene, const Story& story) {
  INFO(story.what);
  for (int i = 0; i < 3; i++)
    if (scene.threads[i].waiting) scene.leave(i);
  REQUIRE((scene.loop.state & LOOPTAP_WAITERS) == 0);
  REQUIRE(scene.loop.waits == static_cast<uint64_t>(story.waits));
  REQUIRE(scene.loop.state >> 24 == (scene.loop.settled & LOOPTAP_TRANSITIONS));
  const bool ended = scene.loop.state & LOOPTAP_ENDED;
  REQUIRE(static_cast<bool>(scene.loop.state & LOOPTAP_DORMANT) == ended);
  if (!ended) {
    // No period begins before the one before it has ended; what is open began where the last closed one ended.
    REQUIRE(scene.loop.away_since_ns >= scene.loop.wait_since_ns);
    REQUIRE(scene.first_ns + scene.counted_ns() == scene.loop.away_since_ns);
  }
  REQUIRE(scene.first_ns + scene.counted_ns() <= g_now_ns);
}

void play(const Story& story, const Turns::Choice& choose) {
  g_now_ns = 1'000'000'000;
  Scene scene;
  scene.enter(0);
  scene.first_ns = scene.loop.wait_since_ns;
  for (int i = 1; i < story.waiting; i++) scene.enter(i);
  std::vector<std::function<void()>> functions;
  for (const auto& action : story.actions) functions.push_back([&scene, &action] { action(scene); });
  Turns turns;
  turns.run(functions, choose);
  check(scene, story);
}

constexpr size_t kMostSwitches = 4;

/// Every order of steps in which a thread is interrupted by another one at most kMostSwitches times, each once.
/// \return how many there are
size_t play_all(const Story& story) {
  std::vector<std::pair<size_t, size_t>> path;  // what was chosen, of how many
  size_t orders = 0;
  for (;;) {
    size_t depth = 0, switches = 0;
    play(story, [&](size_t count, size_t present) {
      if (present < count && switches == kMostSwitches) return present;
      if (depth == path.size()) path.push_back({0, count});
      // The first choice is to go on.
      const size_t chosen = (path[depth++].first + (present < count ? present : 0)) % count;
      if (present < count && chosen != present) switches++;
      return chosen;
    });
    orders++;
    path.resize(depth);
    while (!path.empty() && path.back().first + 1 == path.back().second) path.pop_back();
    if (path.empty()) return orders;
    path.back().first++;
  }
}

}  // namespace

TEST_CASE("of two threads at once all time is counted once in every order of their steps") {
  const Story stories[] = {
      {"both leave", 2, {[](Scene& s) { s.leave(0); }, [](Scene& s) { s.leave(1); }}, 2},
      {"one leaves, one enters", 1, {[](Scene& s) { s.leave(0); }, [](Scene& s) { s.enter(1); }}, 2},
      {"one leaves, one ends the loop", 1, {[](Scene& s) { s.leave(0); }, [](Scene& s) { s.end(1); }}, 1},
      {"one of two leaves, one ends the loop",
       2,
       {[](Scene& s) { s.leave(0); }, [](Scene& s) { s.end(2); }},
       2},
  };
  for (const Story& story : stories) CHECK(play_all(story) > 100);
}

TEST_CASE("of threads that leave and come back all time is counted once in many orders of their steps") {
  const Story stories[] = {
      {"two go round",
       2,
       {[](Scene& s) { s.leave(0), s.enter(0), s.leave(0); },
        [](Scene& s) { s.leave(1), s.enter(1), s.leave(1); }},
       4},
      {"three go round",
       3,
       {[](Scene& s) { s.leave(0), s.enter(0); }, [](Scene& s) { s.leave(1), s.enter(1), s.leave(1); },
        [](Scene& s) { s.leave(2), s.enter(2); }},
       6},
      {"two leave while one enters",
       2,
       {[](Scene& s) { s.leave(0); }, [](Scene& s) { s.leave(1); }, [](Scene& s) { s.enter(2), s.leave(2); }},
       3},
  };
  for (const Story& story : stories) {
    for (uint64_t seed = 0; seed < 1000; seed++) {
      std::mt19937_64 random(seed);
      // Some go on for a while.
      size_t stubborn = 0;
      play(story, [&](size_t count, size_t present) {
        if (stubborn && present < count) return stubborn--, present;
        if (random() % 4 == 0) stubborn = random() % 12;
        return random() % count;
      });
    }
  }
}
