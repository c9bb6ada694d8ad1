/* Which files a process maps. A preloaded one maps its segment, wherever that lies. */
#ifndef LOOPTAP_BPF_MAPPINGS_H
#define LOOPTAP_BPF_MAPPINGS_H

#include "bpf/maps.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
  const unsigned char* name;
};

struct dentry {
  struct qstr d_name;
};

struct path {
  struct dentry* dentry;
};

struct file___with_path {
  struct path f_path;
};

struct vm_area_struct {
  struct file* vm_file;
};

struct seq_file;

struct bpf_iter_meta {
  struct seq_file* seq;
};

struct bpf_iter__task_vma {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
  struct vm_area_struct* vma;
};

#pragma clang attribute pop

uint32_t mappings_of; /* the thread group whose files are told */

SEC("iter/task_vma")
int iterate_mappings(struct bpf_iter__task_vma* context) {
  struct looptap_mapped_file mapped = {};
  struct task_struct* task = context->task;
  struct vm_area_struct* mapping = context->vma;
  struct file___with_path* file;
  if (!task || !mapping || (uint32_t)task->tgid != mappings_of) return 0;
  file = (void*)mapping->vm_file;
  if (!file) return 0;
  bpf_probe_read_kernel_str(mapped.name, sizeof mapped.name, BPF_CORE_READ(file, f_path.dentry, d_name.name));
  if (mapped.name[0] < '0' || mapped.name[0] > '9') return 0; /* no segment: nearly all of them */
  bpf_seq_write(context->meta->seq, &mapped, sizeof mapped);
  return 0;
}

#endif
