/* The programs: one entry point for each hook, and what they do elsewhere.
 *
 * They change nothing in the processes that they look at. Which of them are loaded and where they are attached
 * is decided in exporter/sources/bpf (wait_hook.h), by their names and sections: hence the `?`.
 */
#include "bpf/mappings.h"
#include "bpf/targets.h"
#include "bpf/waits.h"

char LICENSE[] SEC("license") = "GPL";

/* fentry and fexit, on the functions of the syscalls. i386 callers come in by other ones. */

#define FENTRY(function)                     \
  SEC("?fentry/" SYSCALL_FUNCTION #function) \
  int fentry_##function(__attribute__((unused)) const uint64_t* context)
#define FEXIT(function)                     \
  SEC("?fexit/" SYSCALL_FUNCTION #function) \
  int fexit_##function(__attribute__((unused)) const uint64_t* context)
#define REGISTERS ((const struct pt_regs*)context[0])
#define RESULT ((int64_t)context[1])

FENTRY(epoll_wait) {
  return enter(SYSCALL_ARGUMENT_0(REGISTERS), milliseconds_to_ns(SYSCALL_ARGUMENT_3(REGISTERS)));
}
FENTRY(epoll_pwait) {
  return enter(SYSCALL_ARGUMENT_0(REGISTERS), milliseconds_to_ns(SYSCALL_ARGUMENT_3(REGISTERS)));
}
FENTRY(epoll_pwait2) {
  return enter(SYSCALL_ARGUMENT_0(REGISTERS), timespec_to_ns(SYSCALL_ARGUMENT_3(REGISTERS)));
}
FENTRY(io_uring_enter) {
  return enter_ring(SYSCALL_ARGUMENT_0(REGISTERS), SYSCALL_ARGUMENT_2(REGISTERS),
                    SYSCALL_ARGUMENT_3(REGISTERS), SYSCALL_ARGUMENT_4(REGISTERS));
}
FEXIT(epoll_wait) { return leave(RESULT); }
FEXIT(epoll_pwait) { return leave(RESULT); }
FEXIT(epoll_pwait2) { return leave(RESULT); }
FEXIT(io_uring_enter) { return leave(RESULT); }
FEXIT(epoll_create) { return epoll_created(RESULT); }
FEXIT(epoll_create1) { return epoll_created(RESULT); }

FENTRY(close) { return closing(SYSCALL_ARGUMENT_0(REGISTERS)); }
FENTRY(exit) { return thread_exiting(); }
FENTRY(exit_group) { return exiting(); }
FEXIT(close_range) { return descriptors_changed(); }
FEXIT(dup2) { return descriptors_changed(); }
FEXIT(dup3) { return descriptors_changed(); }

/* Every event of the machine that an epoll instance is told of. */
SEC("?fentry/ep_poll_callback")
int ep_poll_callback_entry(const uint64_t* context) {
  return descriptor_ready(context[0], (uint32_t)context[3]);
}

/* The tracepoints of single syscalls. For i386 and x32 callers the kernel does not run them. */

SEC("?tracepoint") int enter_milliseconds(const struct sys_enter* call) {
  return enter(call->arguments[0], milliseconds_to_ns(call->arguments[3]));
}
SEC("?tracepoint") int enter_timespec(const struct sys_enter* call) {
  return enter(call->arguments[0], timespec_to_ns(call->arguments[3]));
}
SEC("?tracepoint") int enter_io_uring(const struct sys_enter* call) {
  return enter_ring(call->arguments[0], call->arguments[2], call->arguments[3], call->arguments[4]);
}
SEC("?tracepoint") int leave_syscall(const struct sys_exit* call) { return leave(call->result); }
SEC("?tracepoint") int leave_epoll_create(const struct sys_exit* call) { return epoll_created(call->result); }
SEC("?tracepoint") int enter_close(const struct sys_enter* call) { return closing(call->arguments[0]); }
SEC("?tracepoint") int enter_exit(__attribute__((unused)) const struct sys_enter* call) {
  return thread_exiting();
}
SEC("?tracepoint") int enter_exit_group(__attribute__((unused)) const struct sys_enter* call) {
  return exiting();
}
SEC("?tracepoint") int leave_change(__attribute__((unused)) const struct sys_exit* call) {
  return descriptors_changed();
}

/* libc's functions. Its close is not among them: a probe on a function costs microseconds. */

SEC("?uprobe") int call_milliseconds(const struct pt_regs* registers) {
  return enter(CALL_ARGUMENT_0(registers), milliseconds_to_ns(CALL_ARGUMENT_3(registers)));
}
SEC("?uprobe") int call_timespec(const struct pt_regs* registers) {
  return enter(CALL_ARGUMENT_0(registers), timespec_to_ns(CALL_ARGUMENT_3(registers)));
}
SEC("?uretprobe") int return_wait(const struct pt_regs* registers) {
  return leave((int)CALL_RESULT(registers));
}
SEC("?uretprobe") int return_epoll_create(const struct pt_regs* registers) {
  return epoll_created((int)CALL_RESULT(registers));
}

/* How processes and threads begin and end. */

SEC("tp_btf/sched_process_fork")
int process_fork(const uint64_t* context) {
  struct task_struct* child = (struct task_struct*)context[1];
  struct wanted_name name;
  uint32_t tgid = child->tgid;
  if (child->pid != child->tgid) return 0; /* a thread */
  bpf_map_delete_elem(&excluded, &tgid);   /* the number's last bearer */
  remove_target(tgid);
  read_name(child, &name);
  if (is_wanted(child, &name)) add_target(tgid, 0);
  return 0;
}

SEC("tp_btf/sched_process_exec")
int process_exec(const uint64_t* context) {
  struct task_struct* task = (struct task_struct*)context[0];
  uint32_t tgid = task->tgid, by_pid = 0;
  struct looptap_target* target = bpf_map_lookup_elem(&targets, &tgid);
  struct thread_state* state = known_thread(task);
  struct wanted_name name;
  if (target) {
    end_generation(target->generation, 0, bpf_ktime_get_ns());
    by_pid = target->by_pid;
    remove_target(tgid);
  }
  if (state) state->generation = 0; /* the only thread that there is now */
  bpf_map_delete_elem(&excluded, &tgid);
  read_name(task, &name);
  if (by_pid || is_wanted(task, &name)) add_target(tgid, by_pid);
  return 0;
}

SEC("tp_btf/task_rename")
int process_rename(const uint64_t* context) {
  struct task_struct* task = (struct task_struct*)context[0];
  uint32_t tgid = task->tgid;
  struct wanted_name name = {};
  if (!match_names || task->pid != task->tgid || bpf_map_lookup_elem(&targets, &tgid)) return 0;
  bpf_probe_read_kernel_str(&name.comm, sizeof name.comm, (const void*)context[1]);
  if (is_wanted(task, &name)) add_target(tgid, 0);
  return 0;
}

SEC("tp_btf/cgroup_attach_task")
int cgroup_attach(const uint64_t* context) {
  struct task_struct* task = (struct task_struct*)context[2];
  uint32_t tgid = task->tgid;
  struct wanted_name name;
  if (!match_cgroups || task->pid != task->tgid || bpf_map_lookup_elem(&targets, &tgid)) return 0;
  read_name(task, &name);
  if (is_wanted(task, &name)) add_target(tgid, 0);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int thread_exit(const uint64_t* context) {
  struct task_struct* task = (struct task_struct*)context[0];
  uint32_t tgid = task->tgid;
  struct looptap_target* target = bpf_map_lookup_elem(&targets, &tgid);
  enum { SIGNAL = 0x7f };
  if (!target) return 0;
  end_thread(target->generation, 0);
  if (BPF_CORE_READ(task, signal, live.counter) == 0) {
    end_generation(target->generation, (task->exit_code & SIGNAL) != 0, bpf_ktime_get_ns());
    remove_target(tgid);
  }
  return 0;
}

/* Over all processes that the exporter can see; what for, `iterator_mode` says. */

static __always_inline uint32_t number_in_our_namespace(struct task_struct* task) {
  unsigned int level = BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid, level);
  struct pid* pid = BPF_CORE_READ(task, thread_pid);
  return BPF_CORE_READ(pid, numbers[level].nr);
}

static __always_inline void discover(struct task_struct* task) {
  uint64_t ring;
  if (task != bpf_get_current_task_btf()) return;
  own_tgid = task->tgid;
  epoll_operations = operations_of(file_behind(task, discover_epoll_fd));
  ring = file_behind(task, discover_ring_fd);
  ring_operations = ring ? operations_of(ring) : 0;
}

static __always_inline void scan(struct task_struct* task) {
  uint32_t tgid = task->tgid, pid = number_in_our_namespace(task);
  uint32_t by_pid = bpf_map_lookup_elem(&wanted_pids, &pid) != 0;
  struct wanted_name name;
  if (bpf_map_lookup_elem(&targets, &tgid)) return;
  read_name(task, &name);
  if (by_pid || is_wanted(task, &name)) add_target(tgid, by_pid);
}

static __always_inline void reap(struct task_struct* task) {
  uint32_t tgid = task->tgid, next, i;
  struct looptap_target* target = bpf_map_lookup_elem(&targets, &tgid);
  uint64_t generation = target ? target->generation : 0;
  struct looptap_process* process = bpf_map_lookup_elem(&processes, &generation);
  next = process ? process->newest : 0;
  for (i = 0; i < MOST_LOOPS_VISITED && next; i++) {
    struct looptap_slot_owner* owner = owner_of(next - 1);
    if (!owner || owner->generation != generation) break;
    if (!is_ended(next - 1) && is_closed(task, owner)) end_instance(next - 1, bpf_ktime_get_ns());
    next = owner->next;
  }
}

SEC("iter/task")
int iterate_processes(struct bpf_iter__task* context) {
  struct task_struct* task = context->task;
  if (!task || task->pid != task->tgid) return 0;
  if (iterator_mode == LOOPTAP_DISCOVER) discover(task);
  if (iterator_mode == LOOPTAP_SCAN) scan(task);
  if (iterator_mode == LOOPTAP_REAP) reap(task);
  return 0;
}
