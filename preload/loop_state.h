/* The state machine of a loop: what entering and leaving a wait, closing an epoll instance and ending a thread
 * do to the loop's slot in the segment.
 *
 * For:      preload/ and bpf/, which include it after their operations.h, and unit tests. C subset.
 * Calls:    nothing but the operations below: no clock, no system call, no allocation; the caller passes the time.
 * Threads:  any number may work on one loop at a time. Wait-free (LOOPTAP_TRIES bounds each retry) and
 *           async-signal-safe. struct looptap_thread belongs to one thread and its signal handlers.
 * Errors:   none are returned. A slot that cannot be had (NULL) is left alone.
 * Units:    ns of CLOCK_MONOTONIC; ordinals count slots from 0.
 *
 * The includer defines first (preload/operations.h, bpf/operations.h):
 *   struct looptap_loops, looptap_loop_at(), looptap_ring_of()   where slots and ring are; may return NULL
 *   looptap_load_acquire(), looptap_load_relaxed(), looptap_store_release(), looptap_fetch_add(),
 *   looptap_compare_exchange(), looptap_log2()
 *   LOOPTAP_INLINE            how functions are declared
 *   LOOPTAP_NOINLINE_IN_BPF   how a function is declared that BPF's verifier is to check by itself: inlined, it
 *                             multiplies the paths of its caller
 *
 * How threads share a loop without a lock. `state` holds the number of waiters, flags and a number of transitions,
 * and changes by compare_exchange. A transition
 *   1. loads `state`, then what it needs to know (since when the loop is away, since when somebody waits);
 *   2. as the last waiter that leaves, stores the instant of its return and its number;
 *   3. exchanges `state`. If that succeeds, nobody has made a transition since 1: what was loaded is true;
 *   4. adds to counters, stores instants;
 *   5. adds 1 to `settled`. While it is behind the transitions in `state`, some transition is between 3 and 5.
 *
 * Memory order. Three pairs, by which the operations below are marked:
 *   (state)    The exchange in 3 releases, the load of `state` in 1 acquires: who sees a state sees what was stored
 *              before it. The loads between 1 and 3 are relaxed: the exchange confirms them.
 *   (settled)  The fetch_add in 5 releases; it pairs with the first of a reader's two reads of a slot's head
 *              (SlotReader::copy_slot() in the exporter): who sees a transition settled sees all that it wrote.
 *   (counted)  Each store and fetch_add in 4 releases; it pairs with the reader's second read: who sees something of
 *              a transition sees it begun in `state`, and drops a copy that began before.
 * What an abandoned wait adds to `waits` and `events` lies in no transition: it needs no order.
 *
 * The exchange is tried LOOPTAP_TRIES times: BPF needs a bound, and so does a host's thread. An entry that never
 * succeeds is not measured, as if the thread did not wait; a return that never succeeds takes its waiter away by
 * fetch_add, which cannot fail.
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
/* Known only once the wait has returned, or never: it lies in memory that the kernel has not accepted yet. */
#define LOOPTAP_UNKNOWN_TIMEOUT (-2ll)

/* One thread. Only the thread itself and its signal handlers read and write it. */
struct looptap_thread {
  uint64_t number;     /* its own in the process, from 1 */
  uint64_t entered_ns; /* when the present wait began */
  int64_t timeout_ns;  /* of the present wait; LOOPTAP_NO_TIMEOUT, LOOPTAP_UNKNOWN_TIMEOUT */
  uint32_t thread_id;
  uint32_t entries;              /* waits entered so far: identifies the present one */
  uint32_t waiting;              /* 1 + ordinal of the loop it waits on; 0: none */
  uint32_t depth;                /* loops it is in */
  uint16_t loops[LOOPTAP_DEPTH]; /* their ordinals, the outermost first */
};

/* Adds a closed iteration to the histogram, and a long one to the ring. Part 4 of a transition: (counted). */
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
  if (bucket >= LOOPTAP_BUCKETS) return;   /* never: for BPF's verifier */
  looptap_fetch_add(&loop->long_begun, 1); /* pairs with the reader's second read: as (counted) */
  looptap_fetch_add(&loop->iterations[bucket & (LOOPTAP_BUCKETS - 1)], 1);
  looptap_fetch_add(&loop->iteration_sums_ns[bucket - LOOPTAP_FIRST_SUMMED], duration_ns);
  looptap_fetch_add(&loop->long_settled, 1); /* pairs with the reader's first read: as (settled) */

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
    looptap_store_release(&entry->serial, number + 1); /* pairs with a reader's load_acquire of serial */
  }
}

/* The thread runs another loop now, so nobody runs this one until somebody waits on it again. Its open iteration ends.
 * It is counted unless the loop is nested: readers show the open iteration of an outer loop, and what they have shown
 * must not vanish; that of a nested loop they do not show. Returns whether it was counted. */
LOOPTAP_NOINLINE_IN_BPF int looptap_suspend(const struct looptap_loops* loops,
                                            const struct looptap_thread* thread, uint32_t ordinal,
                                            uint64_t now_ns) {
  struct looptap_loop* loop = looptap_loop_at(loops, ordinal);
  int tries;
  if (!loop || !thread) return 0;
  for (tries = 0; tries < LOOPTAP_TRIES; tries++) {
    uint64_t state = looptap_load_acquire(&loop->state); /* pairs with compare_exchange: (state) */
    uint64_t since_ns = looptap_load_relaxed(&loop->away_since_ns);
    if (state & (LOOPTAP_WAITERS | LOOPTAP_DORMANT)) return 0;
    if (looptap_load_relaxed(&loop->last_leaver) != thread->number) return 0;
    /* pairs with load_acquire: (state) */
    if (!looptap_compare_exchange(&loop->state, state, (state | LOOPTAP_DORMANT) + LOOPTAP_ONE_TRANSITION))
      continue;
    if (!(state & LOOPTAP_NESTED)) looptap_count_iteration(loops, loop, ordinal, thread, since_ns, now_ns);
    looptap_fetch_add(&loop->settled, 1); /* pairs with the reader's first read: (settled) */
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
  /* depth + 7, not depth - 1: the verifier of Linux 6.1 refuses an index that may pass through -1. */
  if (depth && thread->loops[(depth + LOOPTAP_DEPTH - 1) & (LOOPTAP_DEPTH - 1)] == ordinal) {
    place = depth - 1; /* already on top */
  } else {
    for (place = 0; place < LOOPTAP_DEPTH; place++)
      if (place >= depth || thread->loops[place] == ordinal) break;
    if (place == LOOPTAP_DEPTH) place = LOOPTAP_DEPTH - 1; /* nested too deep: replaces the innermost loop */
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
    /* pairs with the compare_exchange of looptap_end() */
    if (outer && !(looptap_load_acquire(&outer->state) & LOOPTAP_ENDED)) return 1;
  }
  return 0;
}

LOOPTAP_INLINE uint64_t looptap_later(uint64_t a_ns, uint64_t b_ns) { return a_ns > b_ns ? a_ns : b_ns; }

/* Whether a wait with that timeout is known to be no poll. */
LOOPTAP_INLINE int looptap_may_sleep(int64_t timeout_ns) {
  return timeout_ns && timeout_ns != LOOPTAP_UNKNOWN_TIMEOUT;
}

/* Takes the thread off the loop's waiters. Its time is stored before the exchange: a thread that enters in between
 * would otherwise count an iteration since the return before this one.
 *
 * A thread may be preempted between reading the clock and getting here while others enter and leave. So that no
 * period begins before the one before it has ended, the latest of the three instants is stored.
 *
 * Load, maximum and store are not one step: a leaver may overwrite a later instant, that of another one. This moves the
 * time between their returns from the wait to the iteration after it; none is lost or counted twice. For whoever stores is
 * still a waiter, and the instant counts only where there is none: after the exchange of the last leaver, which succeeds
 * only if nobody has made a transition since that leaver stored it. (loop_state_interleaving_test.cc goes through the
 * orders.) */
LOOPTAP_INLINE void looptap_drop_waiter(struct looptap_loop* loop, const struct looptap_thread* thread,
                                        uint64_t now_ns) {
  uint64_t state = 0, since_ns = 0, last_ns = now_ns, next;
  int tries, done = 0;
  for (tries = 0; tries < LOOPTAP_TRIES && !done; tries++) {
    state = looptap_load_acquire(&loop->state); /* pairs with compare_exchange: (state) */
    since_ns = looptap_load_relaxed(&loop->wait_since_ns);
    last_ns = looptap_later(now_ns, looptap_later(since_ns, looptap_load_relaxed(&loop->away_since_ns)));
    next = state - 1 + LOOPTAP_ONE_TRANSITION;
    /* For the last one that leaves. */
    if ((state & LOOPTAP_MAY_POLL) && looptap_may_sleep(thread->timeout_ns)) next |= LOOPTAP_SLEEPING;
    looptap_store_release(&loop->away_since_ns, last_ns); /* the exchange below releases it: (state) */
    if ((state & LOOPTAP_WAITERS) == 1) {
      looptap_store_release(&loop->last_leaver, thread->number);
      if (state & LOOPTAP_ENDED) next |= LOOPTAP_DORMANT;
    }
    done = looptap_compare_exchange(&loop->state, state, next); /* pairs with load_acquire: (state) */
  }
  if (!done) {
    looptap_store_release(&loop->last_leaver, thread->number);
    state =
        looptap_fetch_add(&loop->state, LOOPTAP_ONE_TRANSITION - 1); /* as the compare_exchange: (state) */
  }
  if ((state & LOOPTAP_WAITERS) == 1) { /* pairs with the reader's second read: (counted) */
    uint64_t period_ns = last_ns > since_ns ? last_ns - since_ns : 0;
    int slept = (state & LOOPTAP_SLEEPING) ||
                ((state & LOOPTAP_MAY_POLL) &&
                 (period_ns > LOOPTAP_POLL_NS || looptap_may_sleep(thread->timeout_ns)));
    looptap_fetch_add(slept ? &loop->wait_ns : &loop->poll_ns, period_ns);
  }
}

/* Ends the wait that the thread entered and never left, if there is one: siglongjmp or cancellation left it, or a
 * signal handler waits inside it. In each case the thread is not in that wait now. */
LOOPTAP_INLINE void looptap_abandon_wait(const struct looptap_loops* loops, struct looptap_thread* thread,
                                         uint64_t now_ns) {
  struct looptap_loop* loop;
  if (!thread->waiting) return;
  loop = looptap_loop_at(loops, thread->waiting - 1);
  thread->waiting = 0;
  if (!loop) return;
  looptap_drop_waiter(loop, thread, now_ns);
  looptap_fetch_add(&loop->settled, 1); /* pairs with the reader's first read: (settled) */
}

/* The thread enters a wait on the loop. timeout_ns: 0 polls, LOOPTAP_NO_TIMEOUT never times out; after
 * LOOPTAP_UNKNOWN_TIMEOUT comes looptap_learn_timeout(), or the wait is never known to be late.
 * Returns the wait's number, for looptap_leave(). */
LOOPTAP_INLINE uint32_t looptap_enter(const struct looptap_loops* loops, struct looptap_thread* thread,
                                      uint32_t ordinal, uint64_t now_ns, int64_t timeout_ns) {
  struct looptap_loop* loop = looptap_loop_at(loops, ordinal);
  uint32_t number = ++thread->entries;
  int tries, nested;
  if (!loop) return number;
  looptap_abandon_wait(loops, thread, now_ns);
  nested = looptap_push_loop(loops, thread, ordinal, now_ns);

  for (tries = 0; tries < LOOPTAP_TRIES; tries++) {
    uint64_t state = looptap_load_acquire(&loop->state); /* pairs with compare_exchange: (state) */
    uint64_t since_ns = looptap_load_relaxed(&loop->away_since_ns);
    uint64_t next = state;
    int first = !(state & LOOPTAP_WAITERS);
    if ((state & LOOPTAP_WAITERS) == LOOPTAP_WAITERS) break;
    if (first) {
      next &= ~(LOOPTAP_DORMANT | LOOPTAP_SLEEPING | LOOPTAP_MAY_POLL | LOOPTAP_NESTED);
      if (nested) next |= LOOPTAP_NESTED;
    }
    if (timeout_ns) next |= timeout_ns == LOOPTAP_UNKNOWN_TIMEOUT ? LOOPTAP_MAY_POLL : LOOPTAP_SLEEPING;
    /* Relaxed: whether it is this thread's number only this thread changes. */
    if (looptap_load_relaxed(&loop->owner) != thread->number) next |= LOOPTAP_SHARED;
    /* pairs with load_acquire: (state) */
    if (!looptap_compare_exchange(&loop->state, state, next + 1 + LOOPTAP_ONE_TRANSITION)) continue;

    if (first) { /* pairs with the reader's second read: (counted) */
      looptap_store_release(&loop->wait_since_ns, looptap_later(now_ns, since_ns));
      looptap_store_release(&loop->deadline_ns,
                            timeout_ns < 0 ? LOOPTAP_NO_DEADLINE : now_ns + (uint64_t)timeout_ns);
      if (!(state & LOOPTAP_DORMANT)) looptap_count_iteration(loops, loop, ordinal, thread, since_ns, now_ns);
    }
    looptap_fetch_add(&loop->settled, 1); /* pairs with the reader's first read: (settled) */
    thread->entered_ns = now_ns;
    thread->timeout_ns = timeout_ns;
    thread->waiting = ordinal + 1;
    break;
  }
  return number;
}

/* The wait with that number was entered with LOOPTAP_UNKNOWN_TIMEOUT; it has returned, and its timeout is known now. */
LOOPTAP_INLINE void looptap_learn_timeout(struct looptap_thread* thread, uint32_t ordinal, uint32_t number,
                                          int64_t timeout_ns) {
  if (thread->waiting == ordinal + 1 && thread->entries == number) thread->timeout_ns = timeout_ns;
}

/* The wait with that number has returned; `result` is what the call returned. If the wait was abandoned meanwhile
 * (looptap_abandon_wait()), its return and its events are counted and nothing else. */
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
  /* From here on each pairs with the reader's second read: (counted). */
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
  looptap_fetch_add(&loop->settled, 1); /* pairs with the reader's first read: (settled) */
}

/* The loop's epoll instance is being closed by `thread`, which need not be one that waits on it. The open iteration
 * ends here; it is counted unless the loop is nested, as in looptap_suspend(). */
LOOPTAP_INLINE void looptap_end(const struct looptap_loops* loops, struct looptap_thread* thread,
                                uint32_t ordinal, uint64_t now_ns) {
  struct looptap_loop* loop = looptap_loop_at(loops, ordinal);
  int tries;
  if (!loop) return;
  for (tries = 0; tries < LOOPTAP_TRIES; tries++) {
    uint64_t state = looptap_load_acquire(&loop->state); /* pairs with compare_exchange: (state) */
    uint64_t since_ns = looptap_load_relaxed(&loop->away_since_ns);
    uint64_t next = (state | LOOPTAP_ENDED) + LOOPTAP_ONE_TRANSITION;
    if (state & LOOPTAP_ENDED) return;
    if (!(state & LOOPTAP_WAITERS)) next |= LOOPTAP_DORMANT;
    if (!looptap_compare_exchange(&loop->state, state, next)) continue; /* pairs with load_acquire: (state) */
    if (!(state & (LOOPTAP_WAITERS | LOOPTAP_DORMANT | LOOPTAP_NESTED)))
      looptap_count_iteration(loops, loop, ordinal, thread, since_ns, now_ns);
    looptap_fetch_add(&loop->settled, 1); /* pairs with the reader's first read: (settled) */
    return;
  }
}

/* The thread ends: it leaves its wait, and nobody runs its loops. */
LOOPTAP_INLINE void looptap_thread_ends(const struct looptap_loops* loops, struct looptap_thread* thread,
                                        uint64_t now_ns) {
  uint32_t i;
  looptap_abandon_wait(loops, thread, now_ns);
  for (i = 0; i < LOOPTAP_DEPTH; i++)
    if (i < thread->depth) looptap_suspend(loops, thread, thread->loops[i], now_ns);
  thread->depth = 0;
}

/* Puts a loop into a slot that never held one. The caller has the slot to itself: it took its ordinal from a counter
 * (preload/) or popped it from a queue (bpf/). The owner comes last: it pairs with the reader's first read, which
 * takes a slot without an owner for unused. */
LOOPTAP_INLINE void looptap_begin(struct looptap_loop* loop, const struct looptap_thread* thread,
                                  uint64_t now_ns) {
  loop->thread_id = thread->thread_id;
  looptap_store_release(&loop->born_ns, now_ns);
  looptap_store_release(&loop->instances, 1);
  looptap_store_release(&loop->state, LOOPTAP_DORMANT);
  looptap_store_release(&loop->owner, thread->number);
}

/* After looptap_thread_ends(): the slot has no owner any more, so that another thread may take it over.
 * The store pairs with the load_acquire of owner in looptap_take_over(). */
LOOPTAP_INLINE void looptap_disown(struct looptap_loop* loop, const struct looptap_thread* thread) {
  if (looptap_load_relaxed(&loop->owner) == thread->number)
    looptap_store_release(&loop->owner, LOOPTAP_OWNER_GONE);
}

/* Puts a new epoll instance into the slot of an ended loop, whose counters go on; the time in between is not counted.
 * The thread must have owned that loop; or its owner has ended, and `may_follow` says that both have the same name.
 * Returns whether the slot was taken over. */
LOOPTAP_INLINE int looptap_take_over(struct looptap_loop* loop, const struct looptap_thread* thread,
                                     int may_follow, uint64_t now_ns) {
  uint64_t state = looptap_load_acquire(&loop->state); /* pairs with compare_exchange: (state) */
  uint64_t owner = looptap_load_acquire(&loop->owner); /* pairs with looptap_disown() */
  if (owner != thread->number && !(owner == LOOPTAP_OWNER_GONE && may_follow)) return 0;
  if (!(state & LOOPTAP_ENDED) || (state & LOOPTAP_WAITERS)) return 0;
  /* pairs with load_acquire: (state); what follows with the reader's second read: (counted) */
  if (!looptap_compare_exchange(
          &loop->state, state,
          ((state & ~(LOOPTAP_ENDED | LOOPTAP_SHARED)) | LOOPTAP_DORMANT) + LOOPTAP_ONE_TRANSITION))
    return 0;
  loop->thread_id = thread->thread_id;
  looptap_store_release(&loop->owner, thread->number);
  looptap_store_release(&loop->born_ns, now_ns);
  looptap_fetch_add(&loop->instances, 1);
  looptap_fetch_add(&loop->settled, 1); /* pairs with the reader's first read: (settled) */
  return 1;
}

#endif
