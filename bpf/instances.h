/* Which slot an epoll instance, or a ring, has: its first wait gives it one, its end gives the slot to the
 * next instance of the same thread. */
#ifndef LOOPTAP_BPF_INSTANCES_H
#define LOOPTAP_BPF_INSTANCES_H

#include "bpf/event_queue.h"
#include "bpf/files.h"
#include "bpf/threads.h"

enum {
  MOST_LOOPS_VISITED =
      256, /* of one process, the newest first, when a slot is sought or closed loops are reaped */
  NO_SLOT = -1
};

static __always_inline struct looptap_slot_owner* owner_of(uint32_t slot) {
  return bpf_map_lookup_elem(&owners, &slot);
}

static __always_inline int is_ended(uint32_t slot) {
  struct looptap_loop* loop = looptap_loop_at(ALL_LOOPS, slot);
  return !loop || (looptap_load_acquire(&loop->state) & LOOPTAP_ENDED);
}

/* The instance of the slot is no more. A program of its own to the verifier, which checks it once. */
__noinline int end_instance(uint32_t slot, uint64_t now_ns) {
  struct looptap_slot_owner* owner = owner_of(slot);
  struct looptap_thread nobody = {};
  struct looptap_instance instance = {};
  uint32_t* known;
  if (!owner) return 0;
  looptap_end(ALL_LOOPS, &nobody, slot, now_ns);
  close_queue(owner->instance);
  instance.generation = owner->generation;
  instance.file = owner->file;
  known = bpf_map_lookup_elem(&instances, &instance);
  if (known && *known == slot) bpf_map_delete_elem(&instances, &instance);
  return 0;
}

/* Whether the descriptor by which it was last waited on stands for something else now. A registered ring needs
 * no descriptor: it ends with its thread. */
static __always_inline int is_closed(struct task_struct* task, const struct looptap_slot_owner* owner) {
  return !(owner->fd & LOOPTAP_BPF_REGISTERED) && file_behind(task, owner->fd) != owner->file;
}

/* Ends the loop of the slot if it is closed. Returns `next` of the slot. */
__noinline int end_if_closed(uint32_t slot, uint64_t generation, uint64_t now_ns) {
  struct looptap_slot_owner* owner = owner_of(slot);
  uint32_t next;
  if (!owner || owner->generation != generation) return 0;
  next = owner->next;
  if (!is_ended(slot) && is_closed(bpf_get_current_task_btf(), owner)) end_instance(slot, now_ns);
  return next;
}

/* Gives the slot of an ended loop to the calling thread's new instance. 1: done. */
__noinline int take_over(uint32_t slot, uint64_t now_ns) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct thread_state* state = known_thread(task);
  struct looptap_loop* loop = looptap_loop_at(ALL_LOOPS, slot);
  uint64_t old_name[2], new_name[2] = {}; /* Linux 6.1 does not fill what a name leaves over */
  if (!state || !loop) return 0;
  __builtin_memcpy(old_name, loop->thread_name, sizeof old_name);
  bpf_get_current_comm(new_name, sizeof new_name);
  return looptap_take_over(loop, &state->thread, old_name[0] == new_name[0] && old_name[1] == new_name[1],
                           now_ns);
}

static __always_inline struct looptap_process* process_of(struct task_struct* task, uint64_t generation,
                                                          uint64_t now_ns) {
  struct looptap_process* process = bpf_map_lookup_elem(&processes, &generation);
  struct task_struct* leader = task->group_leader;
  struct looptap_process begun = {};
  if (process) return process;
  begun.generation = generation;
  begun.began_ns = now_ns;
  begun.start_boottime_ns = BPF_CORE_READ(leader, start_boottime);
  begun.tgid = task->tgid;
  begun.pid = own_number(leader, &begun.pid_namespace);
  BPF_CORE_READ_INTO(&begun.comm, leader, comm);
  bpf_map_update_elem(&processes, &generation, &begun, BPF_NOEXIST);
  return bpf_map_lookup_elem(&processes, &generation);
}

/* Ends the loops of the calling process whose instance is closed: nobody may have seen it. */
static __always_inline void end_closed(uint64_t generation, uint32_t newest, uint64_t now_ns) {
  uint32_t next = newest, i;
  for (i = 0; i < MOST_LOOPS_VISITED && next; i++) next = end_if_closed(next - 1, generation, now_ns);
}

/* The slot of an ended loop of this thread, or of one that is gone and bore its name; NO_SLOT: none. */
__noinline int find_ended_slot(uint64_t generation, uint32_t newest, uint64_t now_ns) {
  uint32_t next = newest, i;
  end_closed(generation, newest, now_ns);
  for (i = 0; i < MOST_LOOPS_VISITED && next; i++) {
    struct looptap_slot_owner* owner = owner_of(next - 1);
    if (!owner || owner->generation != generation) break;
    if (take_over(next - 1, now_ns)) return next - 1;
    next = owner->next;
  }
  return NO_SLOT;
}

/* A slot that was free becomes the process' next loop. */
static __always_inline void list_slot(struct looptap_process* process, struct looptap_slot_owner* owner,
                                      uint32_t slot) {
  uint32_t newest = 0, tries;
  for (tries = 0; tries < LOOPTAP_TRIES; tries++) {
    newest = *(volatile uint32_t*)&process->newest;
    owner->next = newest;
    if (__sync_val_compare_and_swap(&process->newest, newest, slot + 1) == newest) break;
  }
  owner->number = __sync_fetch_and_add(&process->loops, 1) + 1;
}

/* The first wait on an instance. Returns its slot, or NO_SLOT: it is no instance, or there is no room. */
__noinline int claim_slot(uint64_t generation, uint64_t file, uint32_t fd, uint32_t is_ring) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct looptap_instance instance = {};
  struct looptap_slot_owner* owner;
  struct looptap_process* process;
  struct looptap_loop* loop;
  struct thread_state* state;
  uint64_t now_ns = bpf_ktime_get_ns();
  uint32_t slot, *known;
  int ended;

  instance.generation = generation;
  instance.file = file;
  known = bpf_map_lookup_elem(&instances, &instance);
  if (known && (owner = owner_of(*known)) && owner->file == file && owner->generation == generation &&
      !is_ended(*known)) {
    owner->fd = fd;
    return *known;
  }
  if (known) bpf_map_delete_elem(&instances, &instance);
  if (operations_of(file) != (is_ring ? ring_operations : epoll_operations)) return NO_SLOT;
  state = known_thread(task);
  process = process_of(task, generation, now_ns);
  if (!state || !process) {
    looptap_fetch_add(&dropped_loops, 1);
    return NO_SLOT;
  }

  ended = find_ended_slot(generation, process->newest, now_ns);
  slot = ended;
  if (ended < 0 && bpf_map_pop_elem(&free_slots, &slot)) {
    looptap_fetch_add(&dropped_loops, 1);
    return NO_SLOT;
  }
  owner = owner_of(slot);
  loop = looptap_loop_at(ALL_LOOPS, slot);
  if (!owner || !loop) return NO_SLOT;
  owner->generation = generation;
  owner->file = file;
  owner->fd = fd;
  owner->is_ring = is_ring;
  owner->instance = 0;
  if (bpf_map_update_elem(&instances, &instance, &slot, BPF_NOEXIST)) {
    /* Another thread was first, or the map is full. */
    known = bpf_map_lookup_elem(&instances, &instance);
    if (ended >= 0) {
      owner->file = 0;
      end_instance(slot, now_ns);
    } else {
      __builtin_memset(owner, 0, sizeof *owner);
      bpf_map_push_elem(&free_slots, &slot, 0);
    }
    if (known) return *known;
    looptap_fetch_add(&dropped_loops, 1);
    return NO_SLOT;
  }
  if (measure_event_queues && !is_ring) owner->instance = open_queue(file);
  if (ended < 0) {
    bpf_get_current_comm(loop->thread_name, sizeof loop->thread_name);
    looptap_begin(loop, &state->thread, now_ns);
    list_slot(process, owner, slot);
  }
  return slot;
}

/* An instance is born: whatever had its address before is no more. */
static __always_inline void instance_born(uint64_t generation, uint64_t file) {
  struct looptap_instance instance = {};
  uint32_t* slot;
  instance.generation = generation;
  instance.file = file;
  slot = bpf_map_lookup_elem(&instances, &instance);
  if (slot) end_instance(*slot, bpf_ktime_get_ns());
}

/* A descriptor is being closed. Its instance ends, unless another descriptor of the process stands for it. */
__noinline int close_instance(uint64_t generation, uint64_t file, uint32_t fd) {
  struct looptap_instance instance = {};
  struct looptap_slot_owner* owner;
  uint32_t* slot;
  int other;
  instance.generation = generation;
  instance.file = file;
  slot = bpf_map_lookup_elem(&instances, &instance);
  if (!slot || !(owner = owner_of(*slot))) return 0;
  other = is_shared(file) ? other_descriptor(file, fd) : -1;
  if (other >= 0)
    owner->fd = other;
  else if (!(owner->fd & LOOPTAP_BPF_REGISTERED))
    end_instance(*slot, bpf_ktime_get_ns());
  return 0;
}

#endif
