/* What every hook comes to: a thread enters a wait or leaves one; an instance is made, a descriptor closed. */
#ifndef LOOPTAP_BPF_WAITS_H
#define LOOPTAP_BPF_WAITS_H

#include "bpf/instances.h"

/* The thread begins to wait on the file. */
static __always_inline int enter_loop(struct thread_state* state, uint64_t file, uint32_t fd,
                                      int64_t timeout_ns, uint32_t is_ring) {
  struct looptap_slot_owner* owner = owner_of(state->slot);
  if (!owner || state->file != file || state->fd != fd || owner->file != file ||
      owner->generation != state->generation || is_ended(state->slot)) {
    int slot = claim_slot(state->generation, file, fd, is_ring);
    if (slot < 0) return 0;
    state->file = file;
    state->fd = fd;
    state->slot = slot;
  }
  state->number = looptap_enter(ALL_LOOPS, &state->thread, state->slot, bpf_ktime_get_ns(), timeout_ns);
  state->is_waiting = 1;
  if (measure_event_queues) state->sleeps = sleeps_of_current();
  return 0;
}

/* timeout_ns: 0 polls, LOOPTAP_NO_TIMEOUT waits for ever. */
static __always_inline int enter(uint32_t fd, int64_t timeout_ns) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct thread_state* state = measured_thread(task);
  uint64_t file = state ? file_behind(task, fd) : 0;
  return file ? enter_loop(state, file, fd, timeout_ns, 0) : 0;
}

/* result: what the call returned. */
__noinline int leave(int64_t result) {
  enum { INTERRUPTED = -4 };
  struct task_struct* task = bpf_get_current_task_btf();
  struct thread_state* state = may_be_target(task->tgid) ? known_thread(task) : 0;
  struct looptap_slot_owner* owner;
  uint64_t now_ns;
  if (!state || !state->is_waiting) return 0;
  now_ns = bpf_ktime_get_ns();
  /* The process is being killed: the call will not return to it. */
  if (result == INTERRUPTED && is_exiting(task)) return 0;
  state->is_waiting = 0;
  owner = owner_of(state->slot);
  if (!owner || owner->generation != state->generation) return 0;
  if (owner->is_ring) result = completions_in(owner->file);
  looptap_leave(ALL_LOOPS, &state->thread, state->slot, state->number, now_ns, result);
  if (measure_event_queues && owner->instance) leave_queue(state, owner, now_ns, result);
  return 0;
}

static __always_inline int64_t milliseconds_to_ns(int timeout_ms) {
  return timeout_ms < 0 ? LOOPTAP_NO_TIMEOUT : (int64_t)timeout_ms * 1000000;
}

/* As the user wrote it; what cannot be read is as good as none: the call will fail. */
static __always_inline int64_t timespec_to_ns(uint64_t user_address) {
  enum { MOST_SECONDS = 1000000000 }; /* 31 years: as good as none, and far from overflow */
  int64_t timeout[2];
  if (!user_address || bpf_probe_read_user(timeout, sizeof timeout, (void*)user_address) ||
      timeout[0] > MOST_SECONDS)
    return LOOPTAP_NO_TIMEOUT;
  return timeout[0] * 1000000000 + timeout[1];
}

/* io_uring_enter waits where it is told to get events, and to have some. */
static __always_inline int enter_ring(uint32_t fd, uint32_t least, uint32_t flags, uint64_t argument) {
  enum {
    GET_EVENTS = 1 << 0,
    EXTENDED_ARGUMENT = 1 << 3,
    REGISTERED_RING = 1 << 4,
    ABSOLUTE_TIMEOUT = 1 << 5,
    REGISTERED_ARGUMENT = 1 << 6,
    TIMEOUT_OF_ARGUMENT = 16 /* struct io_uring_getevents_arg.ts */
  };
  uint64_t file, timeout_address = 0;
  int64_t timeout_ns = LOOPTAP_NO_TIMEOUT;
  struct thread_state* state;
  struct task_struct* task;
  if (!(flags & GET_EVENTS) || !least) return 0;
  task = bpf_get_current_task_btf();
  state = measured_thread(task);
  if (!state) return 0;
  file = flags & REGISTERED_RING ? registered_ring(task, fd) : file_behind(task, fd);
  if (!file) return 0;
  if ((flags & EXTENDED_ARGUMENT) && !(flags & (ABSOLUTE_TIMEOUT | REGISTERED_ARGUMENT))) {
    bpf_probe_read_user(&timeout_address, sizeof timeout_address, (void*)(argument + TIMEOUT_OF_ARGUMENT));
    timeout_ns = timespec_to_ns(timeout_address);
  }
  return enter_loop(state, file, flags & REGISTERED_RING ? LOOPTAP_BPF_REGISTERED | fd : fd, timeout_ns, 1);
}

static __always_inline int epoll_created(int64_t fd) {
  uint64_t generation, file;
  if (fd < 0) return 0;
  generation = generation_of_current();
  if (!generation) return 0;
  file = file_behind(bpf_get_current_task_btf(), fd);
  if (file) instance_born(generation, file);
  return 0;
}

static __always_inline int closing(uint32_t fd) {
  uint64_t generation = generation_of_current(), file;
  if (!generation) return 0;
  file = file_behind(bpf_get_current_task_btf(), fd);
  return file ? close_instance(generation, file, fd) : 0;
}

/* Any number of descriptors may have been closed, or replaced. */
static __always_inline int descriptors_changed(void) {
  uint64_t generation = generation_of_current();
  struct looptap_process* process = generation ? bpf_map_lookup_elem(&processes, &generation) : 0;
  if (process) end_closed(generation, process->newest, bpf_ktime_get_ns());
  return 0;
}

/* The process ends. What it still does, such as giving back its memory, is no iteration. */
static __always_inline int exiting(void) {
  uint64_t generation = generation_of_current();
  struct looptap_process* process = generation ? bpf_map_lookup_elem(&processes, &generation) : 0;
  /* Pairs with the exporter's MappedArray::read(). */
  if (process) looptap_store_release(&process->exiting_ns, bpf_ktime_get_ns());
  return 0;
}

#endif
