/* Which processes are measured, and when their generations begin and end. */
#ifndef LOOPTAP_BPF_TARGETS_H
#define LOOPTAP_BPF_TARGETS_H

#include "bpf/waits.h"

enum { MOST_CGROUP_LEVELS = 32, MOST_HIERARCHIES = 32 };

/* Whether the cgroup, or one above it, was asked for. */
__noinline int is_below_wanted(uint64_t address) {
  struct cgroup* cgroup = (struct cgroup*)address;
  struct looptap_wanted_cgroup wanted = {};
  int level;
  wanted.hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
  for (level = 0; level < MOST_CGROUP_LEVELS && cgroup; level++) {
    struct cgroup_subsys_state* parent = BPF_CORE_READ(cgroup, self.parent);
    wanted.id = BPF_CORE_READ(cgroup, kn, id);
    if (bpf_map_lookup_elem(&wanted_cgroups, &wanted)) return 1;
    cgroup = parent ? BPF_CORE_READ(parent, cgroup) : 0;
  }
  return 0;
}

/* The same for the cgroups of a process in all hierarchies. */
__noinline int is_below_wanted_in_any(uint64_t css_set) {
  const struct list_head* first = (void*)(css_set + bpf_core_field_offset(struct css_set, cgrp_links));
  struct list_head* place = BPF_CORE_READ(first, next);
  int number;
  for (number = 0; number < MOST_HIERARCHIES && place && place != first; number++) {
    struct cgrp_cset_link* link =
        (void*)((uint64_t)place - bpf_core_field_offset(struct cgrp_cset_link, cgrp_link));
    if (is_below_wanted((uint64_t)BPF_CORE_READ(link, cgrp))) return 1;
    place = BPF_CORE_READ(place, next);
  }
  return 0;
}

static __always_inline int is_in_wanted_cgroup(struct task_struct* task) {
  uint64_t css_set = (uint64_t)BPF_CORE_READ(task, cgroups);
  if (match_older_cgroups) return is_below_wanted_in_any(css_set);
  return is_below_wanted((uint64_t)BPF_CORE_READ((struct css_set*)css_set, dfl_cgrp));
}

static __always_inline int is_wanted(struct task_struct* leader, const struct wanted_name* name) {
  if ((uint32_t)leader->tgid == own_tgid) return 0;
  if (match_all) return 1;
  if (match_names && bpf_map_lookup_elem(&wanted_names, name)) return 1;
  return match_cgroups && is_in_wanted_cgroup(leader);
}

static __always_inline void read_name(struct task_struct* leader, struct wanted_name* name) {
  __builtin_memset(name, 0, sizeof *name);
  BPF_CORE_READ_STR_INTO(&name->comm, leader, comm);
}

static __always_inline void mark_target(uint32_t tgid, uint32_t more) {
  __sync_fetch_and_add(&target_marks[tgid & (TARGET_MARKS - 1)], more);
}

static __always_inline void remove_target(uint32_t tgid) {
  if (bpf_map_delete_elem(&targets, &tgid) == 0) mark_target(tgid, -1);
}

/* Of several that see to the same process at the same time the first one does it. */
static __always_inline void add_target(uint32_t tgid, uint32_t by_pid) {
  enum { EXISTS = -17 };
  struct looptap_target target = {};
  long result;
  if (bpf_map_lookup_elem(&excluded, &tgid)) return;
  target.generation = looptap_fetch_add(&generations, 1) + 1;
  target.by_pid = by_pid;
  mark_target(tgid, 1);
  result = bpf_map_update_elem(&targets, &tgid, &target, BPF_NOEXIST);
  if (result) mark_target(tgid, -1);
  if (result && result != EXISTS) looptap_fetch_add(&dropped_targets, 1);
}

static __always_inline void end_generation(uint64_t generation, int was_killed, uint64_t now_ns) {
  struct looptap_process* process = bpf_map_lookup_elem(&processes, &generation);
  if (!process) return;
  process->was_killed = was_killed;
  looptap_store_release(&process->ended_ns, now_ns); /* pairs with the exporter's MappedArray::read() */
}

/* A thread has ended: its loops have no owner any more. */
static __always_inline void disown_slots(struct thread_state* state, uint64_t now_ns) {
  struct looptap_process* process = bpf_map_lookup_elem(&processes, &state->generation);
  uint32_t next = process ? process->newest : 0, i;
  for (i = 0; i < MOST_LOOPS_VISITED && next; i++) {
    struct looptap_slot_owner* owner = owner_of(next - 1);
    struct looptap_loop* loop = looptap_loop_at(ALL_LOOPS, next - 1);
    if (!owner || !loop || owner->generation != state->generation) break;
    if ((owner->fd & LOOPTAP_BPF_REGISTERED) && looptap_load_relaxed(&loop->owner) == state->thread.number)
      end_instance(next - 1, now_ns);
    looptap_disown(loop, &state->thread);
    next = owner->next;
  }
}

/* The calling thread ends, and its process goes on: more threads than `others` have not begun to end. Of a
 * process that ends the figures stay as they are. */
static __always_inline void end_thread(uint64_t generation, int others) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct thread_state* state = known_thread(task);
  uint64_t now_ns;
  if (!state || state->generation != generation || is_exiting(task)) return;
  if (BPF_CORE_READ(task, signal, live.counter) <= others) return;
  now_ns = bpf_ktime_get_ns();
  looptap_thread_ends(ALL_LOOPS, &state->thread, now_ns);
  disown_slots(state, now_ns);
  state->generation = 0; /* once is enough */
}

/* Before Linux 6.16 the kernel tells of a thread's end when others may have joined it, and followed it, already. */
static __always_inline int thread_exiting(void) {
  uint64_t generation = generation_of_current();
  if (generation) end_thread(generation, 1);
  return 0;
}

#endif
