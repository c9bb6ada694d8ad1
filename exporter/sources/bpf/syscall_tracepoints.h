// The kernel's tracepoints of single syscalls, as perf events that a BPF program can be attached to.
//
// Thread-safe. Errors: std::runtime_error with one clear line.
#pragma once

#include <string>

namespace looptap {

/// \param name as "sys_enter_epoll_wait".
/// \return a perf event, the caller's to close; -1 where this kernel has no such tracepoint.
/// \throws std::runtime_error with one clear line.
int open_syscall_tracepoint(const std::string& name);

}  // namespace looptap
