/* From a descriptor to the file behind it. */
#ifndef LOOPTAP_BPF_FILES_H
#define LOOPTAP_BPF_FILES_H

#include "bpf/maps.h"

/* Since Linux 6.2; no call, but a word to the verifier. */
extern void* bpf_rdonly_cast(const void* address, uint32_t type) __ksym __weak;

/* 0 where the number stands for nothing. The address is compared, and never believed to be alive. The pointers are
 * followed where the verifier lets them be: a copy costs a call, and this is done at every wait. */
static __always_inline uint64_t file_behind(struct task_struct* task, uint32_t fd) {
  struct files_struct* descriptors = task->files;
  struct fdtable* table = descriptors ? descriptors->fdt : 0;
  struct file** files;
  uint64_t file = 0;
  if (!table || fd >= table->max_fds) return 0;
  files = table->fd;
  if (bpf_rdonly_cast) {
    const struct timespec64* word = bpf_rdonly_cast(&files[fd], bpf_core_type_id_kernel(struct timespec64));
    return word->tv_sec;
  }
  bpf_probe_read_kernel(&file, sizeof file, &files[fd]);
  return file;
}

/* Whether other descriptors, of any process, or calls under way may hold the file, too. */
static __always_inline int is_shared(uint64_t file) {
  struct file___before_6_13* older = (void*)file;
  if (bpf_core_field_exists(older->f_count)) return BPF_CORE_READ(older, f_count.counter) > 1;
  return BPF_CORE_READ((struct file*)file, f_ref.refcnt.counter) > 0;
}

/* Another descriptor of the file in the calling process, among the lower ones; -1: there is none. */
__noinline int other_descriptor(uint64_t file, uint32_t fd) {
  enum { MOST_DESCRIPTORS = 256 };
  struct fdtable* table = BPF_CORE_READ(bpf_get_current_task_btf(), files, fdt);
  struct file** files = BPF_CORE_READ(table, fd);
  uint32_t count = BPF_CORE_READ(table, max_fds), other;
  for (other = 0; other < MOST_DESCRIPTORS && other < count; other++) {
    uint64_t found = 0, is_itself = ((uint64_t)(other ^ fd) - 1) >> 63;
    bpf_probe_read_kernel(&found, sizeof found, &files[other]);
    asm volatile("" : "+r"(is_itself)); /* one branch: two of them are too many for the verifier */
    if (((found ^ file) | is_itself) == 0) return other;
  }
  return -1;
}

/* The ring that a thread has registered under an index (IORING_REGISTER_RING_FDS). */
static __always_inline uint64_t registered_ring(struct task_struct* task, uint32_t index) {
  struct io_uring_task* rings = BPF_CORE_READ(task, io_uring);
  uint64_t file = 0;
  enum { MOST_RINGS = 16 }; /* IO_RINGFD_REG_MAX */
  if (!rings || index >= MOST_RINGS) return 0;
  bpf_probe_read_kernel(&file, sizeof file,
                        (char*)rings + bpf_core_field_offset(rings->registered_rings) + 8 * index);
  return file;
}

static __always_inline uint64_t operations_of(uint64_t file) {
  return (uint64_t)BPF_CORE_READ((struct file*)file, f_op);
}

/* Completions that a ring holds and that nobody has taken yet. */
static __always_inline uint32_t completions_in(uint64_t file) {
  struct io_ring_ctx* context = BPF_CORE_READ((struct file*)file, private_data);
  struct io_rings* rings = BPF_CORE_READ(context, rings);
  return BPF_CORE_READ(rings, cq.tail) - BPF_CORE_READ(rings, cq.head);
}

#endif
