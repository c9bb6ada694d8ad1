// The state machine against a slow and simple model: random sequences of everything that can happen to loops and
// threads, one event at a time.
#include "tests/unit/catch.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "tests/unit/test_loops.h"

namespace {

constexpr int kThreads = 4, kLoops = 5;

struct ModelLoop {
  std::set<int> waiters;
  bool open = false, nested = false, ended = false, sleeping = false, may_poll = false;
  int opener = -1;
  uint64_t since = 0;  // of the open iteration or of the waiting period
  std::vector<uint64_t> iterations;
  uint64_t wait_ns = 0, poll_ns = 0, waits = 0;
};

struct ModelThread {
  std::vector<int> loops;  // the outermost first
  int waiting = -1;
};

/// The definitions of docs/design.md, "What is measured".
struct Model {
  ModelLoop loops[kLoops];
  ModelThread threads[kThreads];

  void close(ModelLoop& loop, uint64_t now, bool counts) {
    if (loop.open && counts) loop.iterations.push_back(now - loop.since);
    loop.open = false;
  }
  void suspend(int thread, int number, uint64_t now) {
    ModelLoop& loop = loops[number];
    if (loop.open && loop.opener == thread) close(loop, now, !loop.nested);
  }
  /// `slept`: what became known of the timeout at the wait's return.
  void stop_waiting(int thread, uint64_t now, bool slept = false) {
    if (threads[thread].waiting < 0) return;
    ModelLoop& loop = loops[threads[thread].waiting];
    threads[thread].waiting = -1;
    loop.waiters.erase(thread);
    loop.sleeping |= slept;
    if (!loop.waiters.empty()) return;
    const bool too_long_for_a_poll = loop.may_poll && now - loop.since > LOOPTAP_POLL_NS;
    (loop.sleeping || too_long_for_a_poll ? loop.wait_ns : loop.poll_ns) += now - loop.since;
    loop.open = !loop.ended;
    loop.opener = thread;
    loop.since = now;
  }
  void enter(int thread, int number, uint64_t now, int64_t timeout) {
    stop_waiting(thread, now);
    std::vector<int>& stack = threads[thread].loops;
    const auto place = std::find(stack.begin(), stack.end(), number);
    const bool known = place != stack.end();
    for (auto above = place; above != stack.end(); ++above)
      if (*above != number) suspend(thread, *above, now);
    stack.erase(known ? place + 1 : stack.end(), stack.end());
    if (!known) stack.push_back(number);
    bool nested = false;
    for (const int outer : stack) nested |= outer != number && !loops[outer].ended;

    ModelLoop& loop = loops[number];
    if (loop.waiters.empty()) {
      close(loop, now, true);
      loop.nested = nested;
      loop.sleeping = loop.may_poll = false;
      loop.since = now;
    }
    loop.sleeping |= timeout == LOOPTAP_NO_TIMEOUT;
    loop.may_poll |= timeout == LOOPTAP_UNKNOWN_TIMEOUT;
    loop.waiters.insert(thread);
    threads[thread].waiting = number;
  }
  void end(int number, uint64_t now) {
    ModelLoop& loop = loops[number];
    loop.ended = true;
    close(loop, now, !loop.nested);
  }
  void thread_ends(int thread, uint64_t now) {
    stop_waiting(thread, now);
    for (const int number : threads[thread].loops) suspend(thread, number, now);
    threads[thread].loops.clear();
  }
};

struct Real {
  TestLoops loops{kLoops};
  looptap_thread threads[kThreads];
  uint32_t numbers[kThreads] = {};
  int waits_on
      [kThreads];  // the loop that the thread's call waits on, even where the state machine abandoned the wait

  Real() {
    for (int i = 0; i < kThreads; i++) {
      threads[i] = TestLoops::thread(static_cast<uint64_t>(i + 1));
      waits_on[i] = -1;
    }
    for (uint32_t i = 0; i < kLoops; i++) loops.begin(i, threads[i % kThreads]);
  }
};

void compare(const Model& model, const Real& real) {
  for (int i = 0; i < kLoops; i++) {
    const ModelLoop& said = model.loops[i];
    const looptap_loop& loop = real.loops.slots[static_cast<size_t>(i)];
    uint64_t total = 0;
    for (const uint64_t d : said.iterations) total += d;
    INFO("loop " << i);
    REQUIRE(TestLoops::settled(loop));
    REQUIRE(TestLoops::iterations(loop) == said.iterations.size());
    REQUIRE(TestLoops::away_ns(loop) == total);
    REQUIRE(loop.wait_ns == said.wait_ns);
    REQUIRE(loop.poll_ns == said.poll_ns);
    REQUIRE(loop.waits == said.waits);
    REQUIRE(TestLoops::waiters(loop) == said.waiters.size());
    REQUIRE(TestLoops::dormant(loop) == (said.waiters.empty() && !said.open));
    REQUIRE(static_cast<bool>(loop.state & LOOPTAP_ENDED) == said.ended);
    if (said.open) REQUIRE(loop.away_since_ns == said.since);
  }
}

}  // namespace

TEST_CASE("random sequences of events agree with the model (40,000 events)") {
  for (uint64_t seed = 1; seed <= 200; seed++) {
    std::mt19937_64 random(seed);
    Model model;
    Real real;
    uint64_t now = 1;
    for (int step = 0; step < 200; step++) {
      now += random() % (random() % 3 ? 50'000'000 : LOOPTAP_POLL_NS / 2);
      const int thread = static_cast<int>(random() % kThreads), loop = static_cast<int>(random() % kLoops);
      looptap_thread& real_thread = real.threads[thread];
      INFO("seed " << seed << " step " << step << " thread " << thread << " loop " << loop);
      switch (random() % 16) {
        case 0: {  // a close; the number's next instance takes the slot over, if its owner is the one who waits
          model.end(loop, now);
          looptap_end(&real.loops.view, &real_thread, static_cast<uint32_t>(loop), now);
          break;
        }
        case 1: {
          looptap_loop& slot = real.loops.slots[static_cast<size_t>(loop)];
          const bool possible = model.loops[loop].ended && model.loops[loop].waiters.empty() &&
                                slot.owner == real_thread.number;
          REQUIRE(static_cast<bool>(looptap_take_over(&slot, &real_thread, false, now)) == possible);
          if (possible) model.loops[loop].ended = false;
          break;
        }
        case 2:
          model.thread_ends(thread, now);
          looptap_thread_ends(&real.loops.view, &real_thread, now);
          real.waits_on[thread] = -1;
          break;
        case 3:  // siglongjmp: nothing leaves the wait
          real.waits_on[thread] = -1;
          break;
        case 4:
        case 5: {  // a signal handler that waits, inside whatever the thread is in
          const uint32_t number =
              looptap_enter(&real.loops.view, &real_thread, static_cast<uint32_t>(loop), now, -1);
          model.enter(thread, loop, now, LOOPTAP_NO_TIMEOUT);
          now += random() % 5'000'000;
          looptap_leave(&real.loops.view, &real_thread, static_cast<uint32_t>(loop), number, now, 1);
          model.stop_waiting(thread, now);
          model.loops[loop].waits++;
          break;
        }
        default:
          if (real.waits_on[thread] >= 0) {  // the wait returns
            const int on = real.waits_on[thread];
            const bool abandoned = real_thread.waiting != static_cast<uint32_t>(on) + 1 ||
                                   real_thread.entries != real.numbers[thread];
            const int64_t timeouts[] = {LOOPTAP_UNKNOWN_TIMEOUT, LOOPTAP_NO_TIMEOUT, 0, 5};
            const int64_t learned = timeouts[random() % 4];
            const bool unknown = real_thread.timeout_ns == LOOPTAP_UNKNOWN_TIMEOUT;
            if (unknown)
              looptap_learn_timeout(&real_thread, static_cast<uint32_t>(on), real.numbers[thread], learned);
            looptap_leave(&real.loops.view, &real_thread, static_cast<uint32_t>(on), real.numbers[thread],
                          now, 1);
            if (!abandoned) model.stop_waiting(thread, now, unknown && (learned == 5 || learned == -1));
            model.loops[on].waits++;
            real.waits_on[thread] = -1;
          } else {
            const int64_t timeouts[] = {LOOPTAP_UNKNOWN_TIMEOUT, LOOPTAP_NO_TIMEOUT, 0};
            const int64_t timeout = timeouts[random() % 3];
            real.numbers[thread] =
                looptap_enter(&real.loops.view, &real_thread, static_cast<uint32_t>(loop), now, timeout);
            model.enter(thread, loop, now, timeout);
            real.waits_on[thread] = loop;
          }
      }
      compare(model, real);
    }
  }
}
