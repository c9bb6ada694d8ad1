/* The few fields of the kernel that the programs read. libbpf finds each in the running kernel's BTF when it
 * loads them (CO-RE): order and offsets here mean nothing, names and types do.
 */
#ifndef LOOPTAP_BPF_KERNEL_TYPES_H
#define LOOPTAP_BPF_KERNEL_TYPES_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file_operations;

typedef struct {
  long counter;
} atomic_long_t;

typedef struct {
  atomic_long_t refcnt;
} file_ref_t;

struct file {
  const struct file_operations* f_op;
  void* private_data;
  file_ref_t f_ref; /* since Linux 6.13: references, less one */
};

struct file___before_6_13 {
  atomic_long_t f_count; /* references */
};

struct fdtable {
  unsigned int max_fds;
  struct file** fd;
};

struct files_struct {
  struct fdtable* fdt;
};

/* Any struct that begins with a word, which is no pointer. */
struct timespec64 {
  __s64 tv_sec;
};

struct ns_common {
  unsigned int inum;
};

struct pid_namespace {
  struct ns_common ns;
};

struct upid {
  int nr;
  struct pid_namespace* ns;
};

struct pid {
  unsigned int level;
  struct upid numbers[1];
};

typedef struct {
  int counter;
} atomic_t;

struct signal_struct {
  atomic_t live;      /* threads that have not begun to exit */
  unsigned int flags; /* SIGNAL_GROUP_EXIT: all of them are made to */
};

struct kernfs_node {
  __u64 id;
};

struct cgroup;

struct cgroup_subsys_state {
  struct cgroup* cgroup;
  struct cgroup_subsys_state* parent;
};

struct cgroup_root {
  int hierarchy_id;
};

struct cgroup {
  struct cgroup_subsys_state self;
  struct kernfs_node* kn;
  struct cgroup_root* root;
};

struct list_head {
  struct list_head* next;
};

struct css_set {
  struct cgroup* dfl_cgrp;     /* in the cgroup v2 hierarchy */
  struct list_head cgrp_links; /* to the cgroups in all of them */
};

struct cgrp_cset_link {
  struct cgroup* cgrp;
  struct list_head cgrp_link; /* in the list above */
};

struct epoll_event {
  __u32 events;
};

struct eventpoll {
  struct list_head rdllist; /* the descriptors that the next wait looks at */
  struct epitem* ovflist;   /* those that come while one looks; -1: none does */
};

struct epitem { /* a descriptor in an epoll instance */
  struct eventpoll* ep;
  struct epoll_event event;
};

struct wait_queue_entry {
  unsigned int flags;
};

struct eppoll_entry { /* by which its file tells the instance */
  struct epitem* base;
  struct wait_queue_entry wait;
};

struct io_uring_task {
  struct file* registered_rings[1];
};

struct io_uring {
  __u32 head;
  __u32 tail;
};

struct io_rings {
  struct io_uring cq;
};

struct io_ring_ctx {
  struct io_rings* rings;
};

struct task_struct {
  int pid;
  int tgid;
  int exit_code;
  char comm[16];
  __u64 start_boottime;
  unsigned long nvcsw; /* how often it has gone to sleep */
  struct task_struct* group_leader;
  struct files_struct* files;
  struct signal_struct* signal;
  struct pid* thread_pid;
  struct css_set* cgroups;
  struct io_uring_task* io_uring;
};

struct linux_binprm;

struct bpf_iter__task {
  struct task_struct* task;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
  unsigned long di, si, dx, cx, r10, r8, r9, ax;
};
#define SYSCALL_ARGUMENT_0(regs) ((regs)->di)
#define SYSCALL_ARGUMENT_1(regs) ((regs)->si)
#define SYSCALL_ARGUMENT_2(regs) ((regs)->dx)
#define SYSCALL_ARGUMENT_3(regs) ((regs)->r10)
#define SYSCALL_ARGUMENT_4(regs) ((regs)->r8)
#define SYSCALL_ARGUMENT_5(regs) ((regs)->r9)
#define CALL_ARGUMENT_0(regs) ((regs)->di)
#define CALL_ARGUMENT_3(regs) ((regs)->cx)
#define CALL_RESULT(regs) ((regs)->ax)
#define SYSCALL_FUNCTION "__x64_sys_"
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
  unsigned long regs[31];
};
struct pt_regs {
  unsigned long regs[31];
  unsigned long orig_x0;
};
#define SYSCALL_ARGUMENT_0(registers) ((registers)->regs[0])
#define SYSCALL_ARGUMENT_1(registers) ((registers)->regs[1])
#define SYSCALL_ARGUMENT_2(registers) ((registers)->regs[2])
#define SYSCALL_ARGUMENT_3(registers) ((registers)->regs[3])
#define SYSCALL_ARGUMENT_4(registers) ((registers)->regs[4])
#define SYSCALL_ARGUMENT_5(registers) ((registers)->regs[5])
#define CALL_ARGUMENT_0(registers) ((registers)->regs[0])
#define CALL_ARGUMENT_3(registers) ((registers)->regs[3])
#define CALL_RESULT(registers) ((registers)->regs[0])
#define SYSCALL_FUNCTION "__arm64_sys_"
#else
#error "no registers are known for this architecture"
#endif

#pragma clang attribute pop

/* What the per-syscall tracepoints hand over, as tracefs shows it in their `format`. */
struct sys_enter {
  __u64 header;
  __s64 number;
  __u64 arguments[6];
};
struct sys_exit {
  __u64 header;
  __s64 number;
  __s64 result;
};

#endif
