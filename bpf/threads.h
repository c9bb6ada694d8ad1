/* What is known of the threads of targets. */
#ifndef LOOPTAP_BPF_THREADS_H
#define LOOPTAP_BPF_THREADS_H

#include "bpf/operations.h"
#include "preload/loop_state.h"

struct thread_state {
  uint64_t generation; /* that all the rest is about */
  struct looptap_thread thread;
  uint64_t file; /* where it waited last, */
  uint32_t slot; /* and what that has: a shortcut, checked against `owners` */
  uint32_t fd;
  uint32_t is_waiting; /* in a wait of that slot, */
  uint32_t number;     /* which has this number, */
  uint32_t sleeps;     /* and began when the thread had gone to sleep so often */
  uint32_t exclusions; /* as long as there have been no more of them the generation is a target's */
};

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct thread_state);
} threads SEC(".maps");

static __always_inline struct thread_state* known_thread(struct task_struct* task) {
  return bpf_task_storage_get(&threads, task, 0, 0);
}

/* A task's number in its own PID namespace, and that namespace. */
static __always_inline uint32_t own_number(struct task_struct* task, uint64_t* pid_namespace) {
  struct pid* pid = BPF_CORE_READ(task, thread_pid);
  unsigned int level = BPF_CORE_READ(pid, level);
  struct upid innermost = {};
  bpf_core_read(&innermost, sizeof innermost, &pid->numbers[level]);
  if (pid_namespace) *pid_namespace = BPF_CORE_READ(innermost.ns, ns.inum);
  return innermost.nr;
}

/* Whether all of its process is made to exit, by a signal or by itself. */
static __always_inline int is_exiting(struct task_struct* task) {
  enum { GROUP_EXIT = 1 << 2 };
  return BPF_CORE_READ(task, signal, flags) & GROUP_EXIT;
}

/* The thread of the generation, which begins to be known here where it was not. */
static __always_inline struct thread_state* this_thread(struct task_struct* task, uint64_t generation) {
  struct thread_state* state = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!state || state->generation == generation) return state;
  __builtin_memset(state, 0, sizeof *state);
  state->generation = generation;
  state->thread.number = looptap_fetch_add(&thread_numbers, 1) + 1;
  state->thread.thread_id = own_number(task, 0);
  return state;
}

/* Most processes are no targets: it is they who must pay the least. */
static __always_inline int may_be_target(uint32_t tgid) {
  return target_marks[tgid & (TARGET_MARKS - 1)] != 0;
}

/* 0: the process is no target. */
static __always_inline uint64_t generation_of(uint32_t tgid) {
  struct looptap_target* target;
  if (!may_be_target(tgid)) return 0;
  target = bpf_map_lookup_elem(&targets, &tgid);
  return target ? target->generation : 0;
}

static __always_inline uint64_t generation_of_current(void) {
  return generation_of(bpf_get_current_task_btf()->tgid);
}

/* The calling thread, where its process is a target. What was found once holds until an exec or an exclusion. */
static __always_inline struct thread_state* measured_thread(struct task_struct* task) {
  uint32_t so_far = *(volatile uint32_t*)&exclusions;
  struct thread_state* state;
  uint64_t generation;
  if (!may_be_target(task->tgid)) return 0;
  state = known_thread(task);
  if (state && state->generation && state->exclusions == so_far) return state;
  generation = generation_of(task->tgid);
  state = generation ? this_thread(task, generation) : 0;
  if (state) state->exclusions = so_far;
  return state;
}

#endif
