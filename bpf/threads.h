/* What is known of the threads of targets. */
#ifndef LOOPTAP_BPF_THREADS_H
#define LOOPTAP_BPF_THREADS_H

#include "bpf/operations.h"
#include "preload/loop_state.h"

struct thread_state {
  uint64_t life; /* that all the rest is about */
  struct looptap_thread thread;
  uint64_t file; /* where it waited last, */
  uint32_t slot; /* and what that has: a shortcut, checked against `owners` */
  uint32_t fd;
  uint32_t is_waiting; /* in a wait of that slot, */
  uint32_t number;     /* which has this number */
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

/* The thread of the life, which begins to be known here where it was not. */
static __always_inline struct thread_state* this_thread(struct task_struct* task, uint64_t life) {
  struct thread_state* state = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!state || state->life == life) return state;
  __builtin_memset(state, 0, sizeof *state);
  state->life = life;
  state->thread.number = looptap_add(&thread_numbers, 1) + 1;
  state->thread.thread_id = own_number(task, 0);
  return state;
}

#endif
