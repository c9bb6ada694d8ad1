/* How long events wait for the program: from the instant at which a descriptor of the loop's epoll instance
 * became ready, which the kernel tells the instance in ep_poll_callback, to the return of the wait that tells
 * the program.
 *
 * One instant is kept for each instance: when the first of the events that no wait has returned became ready.
 * A wait that returns events takes it, and that is one observation: the oldest event counts. A program may take
 * data from a descriptor without asking epoll, and what is stored is then no longer true: so it goes where the
 * kernel shows that nothing is left, and counts for nothing where it cannot be true. Rather none than too long:
 * - What is queued without a callback (a descriptor that was ready when it was added or modified, or that a
 *   level-triggered wait has returned and finds ready again) has no instant.
 * - What becomes ready while a wait returns may lose its own, and so do those that a wait leaves over.
 * - Where the program has taken the data of one descriptor by itself and then another one became ready, before
 *   it waits, the instant is the first one's. It is never before the return of the loop's last wait.
 */
#ifndef LOOPTAP_BPF_EVENT_QUEUE_H
#define LOOPTAP_BPF_EVENT_QUEUE_H

#include "bpf/files.h"
#include "bpf/threads.h"
#include "preload/histogram_scheme.h"

/* The epoll instance of a file gets, or keeps, a place for its instant. Returns its address. */
static __always_inline uint64_t open_queue(uint64_t file) {
  uint64_t instance = (uint64_t)BPF_CORE_READ((struct file*)file, private_data), none = 0;
  bpf_map_update_elem(&ready_since, &instance, &none, BPF_ANY);
  return instance;
}

static __always_inline void close_queue(uint64_t instance) {
  if (measure_event_queues && instance) bpf_map_delete_elem(&ready_since, &instance);
}

/* Whether a wait would find no descriptor to look at. */
static __always_inline int is_empty(const struct eventpoll* instance) {
  enum { NOBODY_LOOKS = -1 };
  const struct list_head* ready = &instance->rdllist;
  return BPF_CORE_READ(ready, next) == ready && (long)BPF_CORE_READ(instance, ovflist) == NOBODY_LOOKS;
}

/* A descriptor of any epoll instance of the machine has become ready for `events` (0: its file does not say for
 * what), and the kernel is about to queue it, if it was asked to. The caller may be any process, or an interrupt. */
static __always_inline int descriptor_ready(uint64_t wait_entry, uint32_t events) {
  enum { HOW = 0xf0000000 }; /* EPOLLET and its like */
  struct eppoll_entry* entry = (void*)(wait_entry - bpf_core_field_offset(struct eppoll_entry, wait));
  struct epitem* item = BPF_CORE_READ(entry, base);
  struct eventpoll* instance = BPF_CORE_READ(item, ep);
  uint64_t *since = bpf_map_lookup_elem(&ready_since, &instance), since_ns;
  uint32_t wanted;
  if (!since) return 0;
  wanted = BPF_CORE_READ(item, event.events);
  /* As the kernel decides. Nothing is wanted of what was EPOLLONESHOT, and has been returned. */
  if (!(wanted & ~HOW) || (events && !(events & wanted))) return 0;
  since_ns = looptap_load_relaxed(since); /* the compare_exchange confirms it */
  if (!since_ns || is_empty(instance)) looptap_compare_exchange(since, since_ns, bpf_ktime_get_ns());
  return 0;
}

__noinline int count_in_queue(uint32_t slot, uint64_t duration_ns) {
  struct looptap_event_queue* queue = bpf_map_lookup_elem(&event_queues, &slot);
  int32_t bucket = looptap_bucket(duration_ns);
  if (!queue) return 0;
  looptap_fetch_add(bucket < 0 ? &queue->zero_count : &queue->counts[bucket & (LOOPTAP_BUCKETS - 1)], 1);
  looptap_fetch_add(&queue->total_ns, duration_ns);
  return 0;
}

/* How often the thread has gone to sleep, so far. */
static __always_inline uint32_t sleeps_of_current(void) { return bpf_get_current_task_btf()->nvcsw; }

/* A wait of the slot's loop has returned: `result` is what the call returned. */
static __always_inline void leave_queue(const struct thread_state* state,
                                        const struct looptap_slot_owner* owner, uint64_t now_ns,
                                        int64_t result) {
  uint64_t instance = owner->instance, *since, since_ns;
  since = bpf_map_lookup_elem(&ready_since, &instance);
  if (!since) { /* another process that waits on it, too, has closed it */
    struct looptap_loop* loop = looptap_loop_at(ALL_LOOPS, state->slot);
    if (loop && !(looptap_load_acquire(&loop->state) & LOOPTAP_ENDED)) open_queue(owner->file);
    return;
  }
  since_ns = looptap_load_relaxed(since); /* the compare_exchange confirms it */
  if (!since_ns || since_ns > now_ns) return;
  if (result <= 0 && !is_empty((struct eventpoll*)instance)) return;
  if (!looptap_compare_exchange(since, since_ns, 0) || result <= 0) return;
  /* What is ready is returned at once. The thread has slept: so it was not ready any more. */
  if (since_ns < state->thread.entered_ns && sleeps_of_current() != state->sleeps) return;
  count_in_queue(state->slot, now_ns - since_ns);
}

#endif
