/* The state machine of a loop: what entering and leaving a wait, closing an instance and ending a thread
 * do to its slot. Pure: no clock, no syscall, no allocation; the caller says what time it is.
 *
 * C subset shared by preload/ and bpf/. The includer defines, before including this (preload/operations.h):
 *   struct looptap_loops, looptap_loop_at(), looptap_ring_of()   where slots and ring are; may return NULL
 *   looptap_load_acquire(), looptap_load_relaxed(), looptap_store_release(), looptap_fetch_add(), looptap_compare_exchange()
 *   looptap_log2()
 *   LOOPTAP_INLINE            how functions are declared
 *   LOOPTAP_NOINLINE_IN_BPF   how a function is declared that BPF's verifier is to check by itself: inlined, it
 *                             multiplies the paths of its caller
 *
 * How several threads share a loop without a lock. `state` holds the number of waiters, flags, and a
 * number of transitions, and changes by one compare-and-swap. What a transition needs to know (since when
 * the loop is away, since when somebody waits) is read *before* the swap: when the swap succeeds, nobody
 * has made a transition in between, so it was true. What the next transition needs to know (the instant of
 * the last return) is stored before the swap by the only waiter left. Counters are added to after the swap;
 * then `settled` moves on by one, so that a reader can tell a slot in which accounting is under way.
 *
 * A swap is tried LOOPTAP_TRIES times. An entry that never succeeds is not measured (the wait is
 * transparent to the loop); a return that never succeeds leaves by a plain addition.
 */
#ifndef LOOPTAP_LOOP_STATE_H
#define LOOPTAP_LOOP_STATE_H

#include "preload/histogram_scheme.h"
#include "preload/segment_layout.h"

enum {
  LOOPTAP_DEPTH = 8, /* loops of one thread, one inside the other; a power of two */
  LOOPTAP_TRIES = 16
};

#define LOOPTAP_NO_TIMEOUT (-1ll)

/* What is known of one thread. Touched by that thread alone (and by its signal handlers). */
struct looptap_thread {
  uint64_t number;     /* its own in the process, from 1 */
  uint64_t entered_ns; /* when the present wait began */
  int64_t timeout_ns;  /* of the present wait; LOOPTAP_NO_TIMEOUT: none */
  uint32_t thread_id;
  uint32_t entries;              /* waits entered so far: names the present one */
  uint32_t waiting;              /* 1 + ordinal of the loop it waits on; 0: none */
  uint32_t depth;                /* loops it is in */
  uint16_t loops[LOOPTAP_DEPTH]; /* their ordinals, the outermost first */
};

LOOPTAP_INLINE void looptap_count_iteration(const struct looptap_loops* loops, struct looptap_loop* loop,
                                            uint32_t ordinal, const struct looptap_thread* thread,
                                            uint64_t since_ns, uint64_t now_ns) {
  uint64_t duration_ns = now_ns > since_ns ? now_ns - since_ns : 0;
  int32_t bucket = looptap_bucket(duration_ns);
  struct looptap_ring* ring;

  if (bucket < LOOPTAP_FIRST_SUMMED) {
    looptap_fetch_add(&loop->short_iterations_ns, duration_ns);
    looptap_fetch_add(bucket < 0 ? &loop->zero_iterations : &loop->iterations[bucket & (LOOPTAP_BUCKETS - 1)],
                      1);
    return;
  }
  if (bucket >= LOOPTAP_BUCKETS) return; /* never: for BPF's verifier */
  looptap_fetch_add(&loop->long_begun, 1);
  looptap_fetch_add(&loop->iterations[bucket & (LOOPTAP_BUCKETS - 1)], 1);
  looptap_fetch_add(&loop->iteration_sums_ns[bucket - LOOPTAP_FIRST_SUMMED], duration_ns);
  looptap_fetch_add(&loop->long_settled, 1);

  if (duration_ns < LOOPTAP_LONG_ITERATION_NS) return;
  ring = looptap_ring_of(loops);
  if (ring) {
    uint64_t number = looptap_fetch_add(&ring->written, 1);
    struct looptap_long_iteration* entry = &ring->entries[number & (LOOPTAP_LONG_ITERATIONS - 1)];
    looptap_store_release(&entry->serial, 0);
    looptap_store_release(&entry->start_ns, since_ns);
    looptap_store_release(&entry->duration_ns, duration_ns);
    entry->loop = ordinal;
    entry->thread_id = thread->thread_id;
    looptap_store_release(&entry->serial, number + 1);
  }
}

/* The thread has turned away from a loop whose last event it took: nobody runs it at present. The open
 * interval counts only where readers were shown it, that is where the loop is not nested.
 * Returns whether it did count. */
LOOPTAP_NOINLINE_IN_BPF int looptap_suspend(const struct looptap_loops* loops,
                                            const struct looptap_thread* thread, uint32_t ordinal,
                                            uint64_t now_ns) {
  struct looptap_loop* loop = looptap_loop_at(loops, ordinal);
  int tries;
  if (!loop || !thread) return 0;
  for (tries = 0; tries < LOOPTAP_TRIES; tries++) {
    uint64_t state = looptap_load_acquire(&loop->state);
    uint64_t since_ns = looptap_load_relaxed(&loop->away_since_ns);
    if (state & (LOOPTAP_WAITERS | LOOPTAP_DORMANT)) return 0;
    if (looptap_load_relaxed(&loop->last_leaver) != thread->number) return 0;
    if (!looptap_compare_exchange(&loop->state, state, (state | LOOPTAP_DORMANT) + LOOPTAP_ONE_TRANSITION))
      continue;
    if (!(state & LOOPTAP_NESTED)) looptap_count_iteration(loops, loop, ordinal, thread, since_ns, now_ns);
    looptap_fetch_add(&loop->settled, 1);
    return !(state & LOOPTAP_NESTED);
  }
  return 0;
}

/* Puts the loop on top of the thread's loops and suspends those that were entered since.
 * Returns whether it runs inside another one. */
LOOPTAP_INLINE int looptap_push_loop(const struct looptap_loops* loops, struct looptap_thread* thread,
                                     uint32_t ordinal, uint64_t now_ns) {
  uint32_t depth = thread->depth, place, i;
  if (depth == 1 && thread->loops[0] == ordinal) return 0;

  if (depth > LOOPTAP_DEPTH) depth = LOOPTAP_DEPTH;
  /* Never below 0, not even for a moment, for the verifier of Linux 6.1. */
  if (depth && thread->loops[(depth + LOOPTAP_DEPTH - 1) & (LOOPTAP_DEPTH - 1)] == ordinal) {
    place = depth - 1; /* on top already */
  } else {
    for (place = 0; place < LOOPTAP_DEPTH; place++)
      if (place >= depth || thread->loops[place] == ordinal) break;
    if (place == LOOPTAP_DEPTH) place = LOOPTAP_DEPTH - 1; /* too deep: takes the innermost one's place */
    for (i = 0; i < LOOPTAP_DEPTH; i++)
      if (i >= place && i < depth && thread->loops[i] != ordinal)
        looptap_suspend(loops, thread, thread->loops[i], now_ns);
    thread->loops[place & (LOOPTAP_DEPTH - 1)] = (uint16_t)ordinal;
    thread->depth = place + 1;
  }

  for (i = 0; i < LOOPTAP_DEPTH; i++) {
    struct looptap_loop* outer;
    if (i >= place) return 0;
    outer = looptap_loop_at(loops, thread->loops[i]);
    if (outer && !(looptap_load_acquire(&outer->state) & LOOPTAP_ENDED)) return 1;
  }
  return 0;
}

LOOPTAP_INLINE uint64_t looptap_later(uint64_t a_ns, uint64_t b_ns) { return a_ns > b_ns ? a_ns : b_ns; }

/* One thread less waits. Stores its time before it says so: the other order invents iterations.
 *
 * A thread can be held up between looking at the clock and getting here, and others come and go meanwhile.
 * So no period begins before the one before it has ended: the last return counts, whoever stores it. */
LOOPTAP_INLINE void looptap_drop_waiter(struct looptap_loop* loop, const struct looptap_thread* thread,
                                        uint64_t now_ns) {
  uint64_t state = 0, since_ns = 0, last_ns = now_ns, next;
  int tries, done = 0;
  for (tries = 0; tries < LOOPTAP_TRIES && !done; tries++) {
    state = looptap_load_acquire(&loop->state);
    since_ns = looptap_load_relaxed(&loop->wait_since_ns);
    last_ns = looptap_later(now_ns, looptap_later(since_ns, looptap_load_relaxed(&loop->away_since_ns)));
    next = state - 1 + LOOPTAP_ONE_TRANSITION;
    looptap_store_release(&loop->away_since_ns, last_ns);
    if ((state & LOOPTAP_WAITERS) == 1) {
      looptap_store_release(&loop->last_leaver, thread->number);
      if (state & LOOPTAP_ENDED) next |= LOOPTAP_DORMANT;
    }
    done = looptap_compare_exchange(&loop->state, state, next);
  }
  if (!done) {
    looptap_store_release(&loop->last_leaver, thread->number);
    state = looptap_fetch_add(&loop->state, LOOPTAP_ONE_TRANSITION - 1);
  }
  if ((state & LOOPTAP_WAITERS) == 1)
    looptap_fetch_add(state & LOOPTAP_SLEEPING ? &loop->wait_ns : &loop->poll_ns,
                      last_ns > since_ns ? last_ns - since_ns : 0);
}

/* A mark that a wait never took back: it was left by siglongjmp or cancellation, or a signal handler waits
 * inside it. Whichever it was, the thread is not in that wait now. */
LOOPTAP_INLINE void looptap_abandon_wait(const struct looptap_loops* loops, struct looptap_thread* thread,
                                         uint64_t now_ns) {
  struct looptap_loop* loop;
  if (!thread->waiting) return;
  loop = looptap_loop_at(loops, thread->waiting - 1);
  thread->waiting = 0;
  if (!loop) return;
  looptap_drop_waiter(loop, thread, now_ns);
  looptap_fetch_add(&loop->settled, 1);
}

/* The thread goes into a wait of the loop. timeout_ns: 0 polls, LOOPTAP_NO_TIMEOUT waits for ever.
 * Returns the number to hand to looptap_leave(). */
LOOPTAP_INLINE uint32_t looptap_enter(const struct looptap_loops* loops, struct looptap_thread* thread,
                                      uint32_t ordinal, uint64_t now_ns, int64_t timeout_ns) {
  struct looptap_loop* loop = looptap_loop_at(loops, ordinal);
  uint32_t number = ++thread->entries;
  int tries, nested;
  if (!loop) return number;
  looptap_abandon_wait(loops, thread, now_ns);
  nested = looptap_push_loop(loops, thread, ordinal, now_ns);

  for (tries = 0; tries < LOOPTAP_TRIES; tries++) {
    uint64_t state = looptap_load_acquire(&loop->state);
    uint64_t since_ns = looptap_load_relaxed(&loop->away_since_ns);
    uint64_t next = state;
    int first = !(state & LOOPTAP_WAITERS);
    if ((state & LOOPTAP_WAITERS) == LOOPTAP_WAITERS) break;
    if (first) {
      next &= ~(LOOPTAP_DORMANT | LOOPTAP_SLEEPING | LOOPTAP_NESTED);
      if (nested) next |= LOOPTAP_NESTED;
    }
    if (timeout_ns) next |= LOOPTAP_SLEEPING;
    if (looptap_load_relaxed(&loop->owner) != thread->number) next |= LOOPTAP_SHARED;
    if (!looptap_compare_exchange(&loop->state, state, next + 1 + LOOPTAP_ONE_TRANSITION)) continue;

    if (first) {
      looptap_store_release(&loop->wait_since_ns, looptap_later(now_ns, since_ns));
      looptap_store_release(&loop->deadline_ns,
                            timeout_ns < 0 ? LOOPTAP_NO_DEADLINE : now_ns + (uint64_t)timeout_ns);
      if (!(state & LOOPTAP_DORMANT)) looptap_count_iteration(loops, loop, ordinal, thread, since_ns, now_ns);
    }
    looptap_fetch_add(&loop->settled, 1);
    thread->entered_ns = now_ns;
    thread->timeout_ns = timeout_ns;
    thread->waiting = ordinal + 1;
    break;
  }
  return number;
}

/* The wait that looptap_enter() numbered has returned: `result` is what the call returned. A wait that was
 * healed in the meantime is counted and changes nothing else. */
LOOPTAP_INLINE void looptap_leave(const struct looptap_loops* loops, struct looptap_thread* thread,
                                  uint32_t ordinal, uint32_t number, uint64_t now_ns, int64_t result) {
  struct looptap_loop* loop = looptap_loop_at(loops, ordinal);
  uint64_t spent_ns;
  if (!loop) return;
  if (thread->waiting != ordinal + 1 || thread->entries != number) {
    looptap_fetch_add(&loop->waits, 1);
    if (result > 0) looptap_fetch_add(&loop->events, (uint64_t)result);
    return;
  }
  thread->waiting = 0;
  looptap_drop_waiter(loop, thread, now_ns);
  looptap_fetch_add(&loop->waits, 1);
  if (result > 0) looptap_fetch_add(&loop->events, (uint64_t)result);

  spent_ns = now_ns > thread->entered_ns ? now_ns - thread->entered_ns : 0;
  if (result == 0 && thread->timeout_ns > 0) {
    uint64_t timeout_ns = (uint64_t)thread->timeout_ns;
    uint64_t delay_ns = spent_ns > timeout_ns ? spent_ns - timeout_ns : 0;
    int32_t bucket = looptap_bucket(delay_ns);
    looptap_fetch_add(&loop->wakeup_delay_ns, delay_ns);
    if (bucket < 0)
      looptap_fetch_add(&loop->zero_wakeup_delays, 1);
    else
      looptap_fetch_add(&loop->wakeup_delays[bucket & (LOOPTAP_BUCKETS - 1)], 1);
  }
  looptap_fetch_add(&loop->settled, 1);
}

/* The loop's epoll instance is being closed. The open iteration ends here; a nested one was never shown
 * and counts for nothing. `thread` is the one that closes. */
LOOPTAP_INLINE void looptap_end(const struct looptap_loops* loops, struct looptap_thread* thread,
                                uint32_t ordinal, uint64_t now_ns) {
  struct looptap_loop* loop = looptap_loop_at(loops, ordinal);
  int tries;
  if (!loop) return;
  for (tries = 0; tries < LOOPTAP_TRIES; tries++) {
    uint64_t state = looptap_load_acquire(&loop->state);
    uint64_t since_ns = looptap_load_relaxed(&loop->away_since_ns);
    uint64_t next = (state | LOOPTAP_ENDED) + LOOPTAP_ONE_TRANSITION;
    if (state & LOOPTAP_ENDED) return;
    if (!(state & LOOPTAP_WAITERS)) next |= LOOPTAP_DORMANT;
    if (!looptap_compare_exchange(&loop->state, state, next)) continue;
    if (!(state & (LOOPTAP_WAITERS | LOOPTAP_DORMANT | LOOPTAP_NESTED)))
      looptap_count_iteration(loops, loop, ordinal, thread, since_ns, now_ns);
    looptap_fetch_add(&loop->settled, 1);
    return;
  }
}

/* The thread ends: it is in no wait and runs no loop any more. */
LOOPTAP_INLINE void looptap_thread_ends(const struct looptap_loops* loops, struct looptap_thread* thread,
                                        uint64_t now_ns) {
  uint32_t i;
  looptap_abandon_wait(loops, thread, now_ns);
  for (i = 0; i < LOOPTAP_DEPTH; i++)
    if (i < thread->depth) looptap_suspend(loops, thread, thread->loops[i], now_ns);
  thread->depth = 0;
}

/* A slot that never held a loop gets one. Nobody else may be looking for a slot at the same time. */
LOOPTAP_INLINE void looptap_begin(struct looptap_loop* loop, const struct looptap_thread* thread,
                                  uint64_t now_ns) {
  loop->thread_id = thread->thread_id;
  looptap_store_release(&loop->born_ns, now_ns);
  looptap_store_release(&loop->instances, 1);
  looptap_store_release(&loop->state, LOOPTAP_DORMANT);
  looptap_store_release(&loop->owner, thread->number);
}

/* The thread has ended for good: its loops' slots have no owner any more. */
LOOPTAP_INLINE void looptap_disown(struct looptap_loop* loop, const struct looptap_thread* thread) {
  if (looptap_load_relaxed(&loop->owner) == thread->number)
    looptap_store_release(&loop->owner, LOOPTAP_OWNER_GONE);
}

/* Gives the slot of an ended loop to a new instance that the same thread waits on first (or a thread that
 * follows one that is gone: `may_follow`, where they bear one name); its counters go on, and no time counts
 * in between. Returns whether it did. */
LOOPTAP_INLINE int looptap_take_over(struct looptap_loop* loop, const struct looptap_thread* thread,
                                     int may_follow, uint64_t now_ns) {
  uint64_t state = looptap_load_acquire(&loop->state);
  uint64_t owner = looptap_load_acquire(&loop->owner);
  if (owner != thread->number && !(owner == LOOPTAP_OWNER_GONE && may_follow)) return 0;
  if (!(state & LOOPTAP_ENDED) || (state & LOOPTAP_WAITERS)) return 0;
  if (!looptap_compare_exchange(
          &loop->state, state,
          ((state & ~(LOOPTAP_ENDED | LOOPTAP_SHARED)) | LOOPTAP_DORMANT) + LOOPTAP_ONE_TRANSITION))
    return 0;
  loop->thread_id = thread->thread_id;
  looptap_store_release(&loop->owner, thread->number);
  looptap_store_release(&loop->born_ns, now_ns);
  looptap_fetch_add(&loop->instances, 1);
  looptap_fetch_add(&loop->settled, 1);
  return 1;
}

#endif
