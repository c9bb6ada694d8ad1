#include "exporter/sources/bpf/bpf_attacher.h"

#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "exporter/sources/bpf/syscall_tracepoints.h"

namespace looptap {

BpfAttacher::BpfAttacher(bpf_object* object, std::string prefix)
    : object_(object), prefix_(std::move(prefix)) {}

BpfAttacher::~BpfAttacher() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
}

bpf_program* BpfAttacher::find(const char* name) const {
  bpf_program* program = bpf_object__find_program_by_name(object_, name);
  if (!program) throw std::logic_error(std::string("there is no BPF program ") + name);
  return program;
}

void BpfAttacher::keep(bpf_link* link, const std::string& where) {
  if (!link) throw BpfRefused(prefix_ + "cannot attach to " + where + ": " + strerror(errno));
  links_.push_back(link);
}

void BpfAttacher::attach(const char* name) {
  bpf_program* program = find(name);
  keep(bpf_program__attach(program), bpf_program__section_name(program));
}

void BpfAttacher::attach_all(const Selection& wanted) {
  bpf_program* program;
  bpf_object__for_each_program(program, object_) {
    if (wanted(bpf_program__name(program), bpf_program__section_name(program)))
      attach(bpf_program__name(program));
  }
}

void BpfAttacher::attach_to_tracepoint(const char* name, const std::string& tracepoint, bool may_be_missing) {
  bpf_program* program = find(name);
  const int event = open_syscall_tracepoint(tracepoint);
  if (event < 0 && may_be_missing) return;
  if (event < 0) throw BpfRefused(prefix_ + "this kernel has no tracepoint " + tracepoint);
  bpf_link* link = bpf_program__attach_perf_event(program, event);
  const int error = errno;
  if (!link) close(event);
  errno = error;
  keep(link, tracepoint);
}

void BpfAttacher::attach_to_function(const char* name, bool at_return, pid_t pid, const LibcFile& libc,
                                     const char* function) {
  LIBBPF_OPTS(bpf_uprobe_opts, uprobe);
  uprobe.retprobe = at_return;
  uprobe.func_name = function;
  bpf_link* link = bpf_program__attach_uprobe_opts(find(name), pid, libc.path.c_str(), 0, &uprobe);
  if (!link && errno == ENOENT) return;
  const bool no_privilege = !link && (errno == EPERM || errno == EACCES);
  keep(link, std::string(function) + " of " + libc.path +
                 (no_privilege ? " (some kernels want CAP_SYS_ADMIN for it)" : ""));
}

}  // namespace looptap
