// The state machine alone, without the probe: what each event does to a slot.
#include "tests/unit/catch.h"

#include <thread>

#include "tests/unit/test_loops.h"

namespace {
constexpr uint64_t kMs = 1'000'000;
}

TEST_CASE("the time between two waits is an iteration") {
  TestLoops loops(1);
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  const looptap_loop& loop = loops.slots[0];
  loops.wait(thread, 0, 10 * kMs, 30 * kMs);
  CHECK(TestLoops::iterations(loop) == 0);  // what was before the first wait is not an iteration
  loops.wait(thread, 0, 35 * kMs, 35 * kMs + 100, 0);
  loops.wait(thread, 0, 48 * kMs, 50 * kMs);
  CHECK(TestLoops::iterations(loop) == 2);
  CHECK(TestLoops::away_ns(loop) == 5 * kMs + 13 * kMs - 100);
  CHECK(loop.wait_ns == 22 * kMs);
  CHECK(loop.poll_ns == 100);
  CHECK(loop.waits == 3);
  CHECK(loop.events == 3);
  CHECK(loop.away_since_ns == 50 * kMs);
  CHECK(TestLoops::settled(loop));
  CHECK(loops.ring.written == 1);  // 13 ms
  CHECK(loops.ring.entries[0].duration_ns == 13 * kMs - 100);
}

TEST_CASE("buckets above 2^-10 s also sum their durations") {
  TestLoops loops(1);
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  uint64_t now = 0;
  loops.wait(thread, 0, now, now);
  for (const uint64_t d : {uint64_t{500}, 900'000 * uint64_t{1}, 3 * kMs, 3 * kMs + 1}) {
    now += d;
    loops.wait(thread, 0, now, now);
  }
  const looptap_loop& loop = loops.slots[0];
  CHECK(loop.zero_iterations == 1);
  const int32_t bucket = looptap_bucket(3 * kMs);
  CHECK(loop.iterations[bucket] == 2);
  CHECK(loop.iteration_sums_ns[bucket - LOOPTAP_FIRST_SUMMED] == 6 * kMs + 1);
  CHECK(loop.short_iterations_ns == 900'500);
  CHECK(loop.long_begun == 2);
  CHECK(loop.long_settled == 2);
}

TEST_CASE("a timeout that is known only once the wait has returned") {
  constexpr uint64_t kMs = 1'000'000;
  TestLoops loops{1};
  looptap_loop& loop = loops.slots[0];
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  uint64_t now = kMs;
  const auto wait = [&](uint64_t spent_ns, int64_t learned_ns, int64_t result) {
    const uint32_t number = looptap_enter(&loops.view, &thread, 0, now, LOOPTAP_UNKNOWN_TIMEOUT);
    CHECK(loop.deadline_ns == LOOPTAP_NO_DEADLINE);
    now += spent_ns;
    looptap_learn_timeout(&thread, 0, number, learned_ns);
    looptap_leave(&loops.view, &thread, 0, number, now, result);
  };

  wait(kMs / 2, 0, 0);  // a poll
  CHECK((loop.poll_ns == kMs / 2 && loop.wait_ns == 0));
  wait(kMs / 2, 3 * kMs, 1);  // a short sleep
  CHECK((loop.poll_ns == kMs / 2 && loop.wait_ns == kMs / 2));
  wait(kMs / 2, LOOPTAP_UNKNOWN_TIMEOUT, 1);  // may have been a poll, and counts as one
  CHECK((loop.poll_ns == kMs && loop.wait_ns == kMs / 2));
  wait(2 * kMs, LOOPTAP_UNKNOWN_TIMEOUT, 1);  // too long for a poll
  CHECK((loop.poll_ns == kMs && loop.wait_ns == 5 * kMs / 2));
  wait(2 * kMs, 0, 0);  // a poll that was preempted: readers have shown it as a sleep
  CHECK((loop.poll_ns == kMs && loop.wait_ns == 9 * kMs / 2));
  CHECK(loop.wakeup_delay_ns == 0);
  wait(5 * kMs, 3 * kMs, 0);  // timed out
  CHECK(loop.wakeup_delay_ns == 2 * kMs);
  wait(5 * kMs, LOOPTAP_UNKNOWN_TIMEOUT, 0);  // timed out after who knows how long
  CHECK(loop.wakeup_delay_ns == 2 * kMs);

  // What is learned of a wait that was abandoned changes nothing of the present one.
  const uint32_t abandoned = looptap_enter(&loops.view, &thread, 0, now, LOOPTAP_UNKNOWN_TIMEOUT);
  looptap_enter(&loops.view, &thread, 0, now, LOOPTAP_NO_TIMEOUT);
  looptap_learn_timeout(&thread, 0, abandoned, 0);
  CHECK(thread.timeout_ns == LOOPTAP_NO_TIMEOUT);
}

TEST_CASE("what one of several waiters learns of its timeout holds for the waiting period") {
  constexpr uint64_t kUs = 1'000;
  for (const int64_t learned_ns : {int64_t{0}, int64_t{5}}) {
    TestLoops loops{1};
    looptap_thread one = TestLoops::thread(1), two = TestLoops::thread(2);
    loops.begin(0, one);
    const uint32_t first = looptap_enter(&loops.view, &one, 0, kUs, LOOPTAP_UNKNOWN_TIMEOUT);
    const uint32_t second = looptap_enter(&loops.view, &two, 0, 2 * kUs, 0);
    looptap_learn_timeout(&one, 0, first, learned_ns);
    looptap_leave(&loops.view, &one, 0, first, 3 * kUs, 1);
    looptap_leave(&loops.view, &two, 0, second, 4 * kUs, 1);
    CHECK(loops.slots[0].poll_ns == (learned_ns ? 0 : 3 * kUs));
    CHECK(loops.slots[0].wait_ns == (learned_ns ? 3 * kUs : 0));
  }
}

TEST_CASE("only a wait that timed out has a wakeup delay") {
  TestLoops loops(1);
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  const looptap_loop& loop = loops.slots[0];
  loops.wait(thread, 0, 0, 12 * kMs, 10 * kMs, 0);
  loops.wait(thread, 0, 12 * kMs, 15 * kMs, 10 * kMs, 1);   // an event
  loops.wait(thread, 0, 15 * kMs, 15 * kMs, 0, 0);          // a poll
  loops.wait(thread, 0, 15 * kMs, 16 * kMs, 10 * kMs, -1);  // EINTR
  CHECK(loop.wakeup_delay_ns == 2 * kMs);
  CHECK(loop.wakeup_delays[looptap_bucket(2 * kMs)] == 1);
  CHECK(loop.zero_wakeup_delays == 0);
  CHECK(loop.events == 1);
  CHECK(loop.waits == 4);
}

TEST_CASE(
    "a nested loop is part of the outer iteration, and dormant once the thread waits on the outer loop") {
  TestLoops loops(2);
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  loops.begin(1, thread);
  loops.wait(thread, 0, 0, 10 * kMs);
  loops.wait(thread, 1, 20 * kMs, 30 * kMs);
  loops.wait(thread, 1, 32 * kMs, 40 * kMs);
  const looptap_loop &outer = loops.slots[0], &inner = loops.slots[1];
  CHECK((inner.state & LOOPTAP_NESTED) != 0);
  CHECK(TestLoops::iterations(inner) == 1);
  loops.wait(thread, 0, 500 * kMs, 510 * kMs);
  CHECK(TestLoops::away_ns(outer) == 490 * kMs);
  CHECK(TestLoops::dormant(inner));
  CHECK(TestLoops::away_ns(inner) == 2 * kMs);
  CHECK(TestLoops::iterations(inner) == 1);
  loops.wait(thread, 1, 600 * kMs, 601 * kMs);  // the time while it was dormant is not counted
  CHECK(TestLoops::away_ns(inner) == 2 * kMs);
  CHECK(TestLoops::settled(inner));
}

TEST_CASE("closing a loop ends its open iteration, and the next instance takes over its slot") {
  TestLoops loops(1);
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  const looptap_loop& loop = loops.slots[0];
  loops.wait(thread, 0, 0, 10 * kMs);
  looptap_end(&loops.view, &thread, 0, 12 * kMs);
  CHECK(TestLoops::dormant(loop));
  CHECK(TestLoops::away_ns(loop) == 2 * kMs);
  looptap_end(&loops.view, &thread, 0, 99 * kMs);  // a second close changes nothing
  CHECK(TestLoops::away_ns(loop) == 2 * kMs);

  looptap_thread other = TestLoops::thread(2);
  CHECK_FALSE(looptap_take_over(&loops.slots[0], &other, true, 2000 * kMs));
  CHECK(looptap_take_over(&loops.slots[0], &thread, false, 2000 * kMs));
  loops.wait(thread, 0, 2000 * kMs, 2010 * kMs);
  CHECK(TestLoops::away_ns(loop) == 2 * kMs);
  CHECK(loop.instances == 2);
  CHECK(loop.waits == 2);
  CHECK(TestLoops::settled(loop));
}

TEST_CASE("a thread may take over the slot of an ended thread, once its loop has ended") {
  TestLoops loops(1);
  looptap_thread gone = TestLoops::thread(1), next = TestLoops::thread(2), late = TestLoops::thread(3);
  loops.begin(0, gone);
  loops.wait(gone, 0, 0, 10 * kMs);
  looptap_thread_ends(&loops.view, &gone, 11 * kMs);
  looptap_disown(&loops.slots[0], &gone);
  CHECK_FALSE(looptap_take_over(&loops.slots[0], &next, true, 12 * kMs));  // the loop is still open
  looptap_end(&loops.view, &next, 0, 13 * kMs);
  CHECK_FALSE(looptap_take_over(&loops.slots[0], &next, false, 14 * kMs));
  CHECK(looptap_take_over(&loops.slots[0], &next, true, 14 * kMs));
  CHECK_FALSE(looptap_take_over(&loops.slots[0], &late, true, 15 * kMs));
  loops.wait(next, 0, 500 * kMs, 510 * kMs);
  CHECK(TestLoops::away_ns(loops.slots[0]) == 1 * kMs);
  CHECK(loops.slots[0].thread_id == 1002);
  CHECK((loops.slots[0].state & LOOPTAP_SHARED) == 0);
}

TEST_CASE("a loop that is closed while somebody waits on it ends when the wait does") {
  TestLoops loops(1);
  looptap_thread waiter = TestLoops::thread(1), closer = TestLoops::thread(2);
  loops.begin(0, waiter);
  const uint32_t number = looptap_enter(&loops.view, &waiter, 0, 0, -1);
  looptap_end(&loops.view, &closer, 0, 5 * kMs);
  CHECK(TestLoops::waiters(loops.slots[0]) == 1);
  CHECK_FALSE(looptap_take_over(&loops.slots[0], &waiter, true, 6 * kMs));
  looptap_leave(&loops.view, &waiter, 0, number, 10 * kMs, 0);
  CHECK(TestLoops::dormant(loops.slots[0]));
  CHECK(TestLoops::iterations(loops.slots[0]) == 0);
}

TEST_CASE("a wait left by siglongjmp is abandoned by the next wait") {
  TestLoops loops(2);
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  loops.begin(1, thread);
  looptap_enter(&loops.view, &thread, 0, 0, -1);  // left by siglongjmp
  loops.wait(thread, 0, 50 * kMs, 60 * kMs);
  CHECK(TestLoops::waiters(loops.slots[0]) == 0);
  CHECK(loops.slots[0].waits == 1);
  CHECK(loops.slots[0].wait_ns == 60 * kMs);
  CHECK(TestLoops::settled(loops.slots[0]));
}

TEST_CASE(
    "a wait in a signal handler and the wait that it interrupts are both counted, and leave no waiter") {
  TestLoops loops(2);
  looptap_thread thread = TestLoops::thread(1);
  loops.begin(0, thread);
  loops.begin(1, thread);
  const uint32_t outer = looptap_enter(&loops.view, &thread, 0, 0, -1);
  loops.wait(thread, 1, 10 * kMs, 20 * kMs);
  looptap_leave(&loops.view, &thread, 0, outer, 21 * kMs, -1);
  CHECK(TestLoops::waiters(loops.slots[0]) == 0);
  CHECK(TestLoops::waiters(loops.slots[1]) == 0);
  CHECK(loops.slots[0].waits == 1);
  CHECK(loops.slots[1].waits == 1);
  CHECK(loops.slots[0].wait_ns == 10 * kMs);
}

TEST_CASE("the end of a thread ends its wait and its open iterations") {
  TestLoops loops(2);
  looptap_thread thread = TestLoops::thread(1), other = TestLoops::thread(2);
  loops.begin(0, thread);
  loops.wait(thread, 0, 0, 10 * kMs);
  looptap_thread_ends(&loops.view, &thread, 15 * kMs);
  CHECK(TestLoops::dormant(loops.slots[0]));
  CHECK(TestLoops::away_ns(loops.slots[0]) == 5 * kMs);
  loops.wait(other, 0, 900 * kMs, 910 * kMs);  // another thread waits on it
  CHECK(TestLoops::away_ns(loops.slots[0]) == 5 * kMs);

  loops.begin(1, thread);
  looptap_enter(&loops.view, &thread, 1, 20 * kMs, -1);  // left by pthread_cancel
  looptap_thread_ends(&loops.view, &thread, 30 * kMs);
  CHECK(TestLoops::waiters(loops.slots[1]) == 0);
  CHECK(TestLoops::dormant(loops.slots[1]));
}

TEST_CASE("the end of a thread does not end the iteration of a loop that another thread runs") {
  TestLoops loops(1);
  looptap_thread first = TestLoops::thread(1), second = TestLoops::thread(2);
  loops.begin(0, first);
  loops.wait(first, 0, 0, 10 * kMs);
  loops.wait(second, 0, 12 * kMs, 20 * kMs);
  looptap_thread_ends(&loops.view, &first, 25 * kMs);
  CHECK_FALSE(TestLoops::dormant(loops.slots[0]));
  loops.wait(second, 0, 30 * kMs, 40 * kMs);
  CHECK(TestLoops::away_ns(loops.slots[0]) == 12 * kMs);
}

TEST_CASE("a loop of several threads is away only while none of them waits") {
  TestLoops loops(1);
  looptap_thread a = TestLoops::thread(1), b = TestLoops::thread(2);
  loops.begin(0, a);
  const uint32_t in_a = looptap_enter(&loops.view, &a, 0, 0, -1);
  const uint32_t in_b = looptap_enter(&loops.view, &b, 0, 1 * kMs, 0);
  looptap_leave(&loops.view, &a, 0, in_a, 5 * kMs, 1);
  CHECK(TestLoops::iterations(loops.slots[0]) == 0);
  looptap_leave(&loops.view, &b, 0, in_b, 9 * kMs, 0);
  CHECK(loops.slots[0].wait_ns == 9 * kMs);  // one of the two may sleep
  loops.wait(a, 0, 10 * kMs, 20 * kMs);
  CHECK(TestLoops::away_ns(loops.slots[0]) == 1 * kMs);
  CHECK((loops.slots[0].state & LOOPTAP_SHARED) != 0);
}

TEST_CASE("loops nested deeper than LOOPTAP_DEPTH") {
  TestLoops loops(20);
  looptap_thread thread = TestLoops::thread(1);
  uint64_t now = 0;
  for (uint32_t round = 0; round < 3; round++)
    for (uint32_t i = 0; i < 20; i++) {
      if (!round) loops.begin(i, thread);
      loops.wait(thread, i, now, now + kMs);
      now += 2 * kMs;
    }
  for (const looptap_loop& loop : loops.slots) {
    CHECK(loop.waits == 3);
    CHECK(TestLoops::waiters(loop) == 0);
    CHECK(TestLoops::settled(loop));
  }
}

TEST_CASE("the ring keeps the last 64 long iterations") {
  TestLoops loops(1);
  looptap_thread thread = TestLoops::thread(7);
  loops.begin(0, thread);
  uint64_t now = 0;
  loops.wait(thread, 0, now, now);
  for (uint64_t i = 0; i < 100; i++) {
    now += (10 + i) * kMs;
    loops.wait(thread, 0, now, now);
  }
  CHECK(loops.ring.written == 100);
  for (uint64_t i = 36; i < 100; i++) {
    const looptap_long_iteration& entry = loops.ring.entries[i % 64];
    CHECK(entry.serial == i + 1);
    CHECK(entry.duration_ns == (10 + i) * kMs);
    CHECK(entry.thread_id == 1007);
  }
}

TEST_CASE("waits of several threads at once are all counted, and no time is counted twice") {
  TestLoops loops(1);
  constexpr int kThreads = 4;
  constexpr uint64_t kWaits = 200'000;
  looptap_thread owner = TestLoops::thread(1);
  loops.begin(0, owner);
  std::atomic<uint64_t> clock{1};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([&, t] {
      looptap_thread thread = TestLoops::thread(static_cast<uint64_t>(t + 1));
      for (uint64_t i = 0; i < kWaits; i++) {
        const uint64_t from = clock.fetch_add(1);
        const uint32_t number = looptap_enter(&loops.view, &thread, 0, from, i % 2 ? -1 : 0);
        looptap_leave(&loops.view, &thread, 0, number, clock.fetch_add(1), 1);
      }
    });
  for (auto& thread : threads) thread.join();
  const looptap_loop& loop = loops.slots[0];
  CHECK(loop.waits == kThreads * kWaits);
  CHECK(loop.events == kThreads * kWaits);
  CHECK(TestLoops::waiters(loop) == 0);
  CHECK(TestLoops::settled(loop));
  // The intervals do not overlap, so their sum cannot exceed the time that the clock ran.
  const uint64_t total = TestLoops::away_ns(loop) + loop.wait_ns + loop.poll_ns;
  CHECK(total <= clock.load());
}
