// The tracepoints of single syscalls.
#include "exporter/sources/bpf/wait_hook.h"

namespace looptap {

namespace {

constexpr bool kMayBeMissing = true;

class TracepointHook : public WaitHook {
 public:
  bool uses(std::string_view, std::string_view section) const override { return section == "tracepoint"; }

  void attach(BpfAttacher& attacher) const override {
    attacher.attach_to_tracepoint("enter_close", "sys_enter_close");
    attacher.attach_to_tracepoint("enter_exit", "sys_enter_exit");
    attacher.attach_to_tracepoint("enter_exit_group", "sys_enter_exit_group");
    for (const char* change : {"close_range", "dup2", "dup3"})
      attacher.attach_to_tracepoint("leave_change", std::string("sys_exit_") + change, kMayBeMissing);
    attacher.attach_to_tracepoint("leave_epoll_create", "sys_exit_epoll_create1");
    attacher.attach_to_tracepoint("leave_epoll_create", "sys_exit_epoll_create", kMayBeMissing);
    for (const char* wait : {"epoll_wait", "epoll_pwait", "epoll_pwait2", "io_uring_enter"})
      attacher.attach_to_tracepoint("leave_syscall", std::string("sys_exit_") + wait, kMayBeMissing);
    // Not every architecture has epoll_wait.
    attacher.attach_to_tracepoint("enter_milliseconds", "sys_enter_epoll_wait", kMayBeMissing);
    attacher.attach_to_tracepoint("enter_milliseconds", "sys_enter_epoll_pwait");
    attacher.attach_to_tracepoint("enter_timespec", "sys_enter_epoll_pwait2", kMayBeMissing);
    attacher.attach_to_tracepoint("enter_io_uring", "sys_enter_io_uring_enter", kMayBeMissing);
  }
};

}  // namespace

std::unique_ptr<WaitHook> make_tracepoint_hook() { return std::make_unique<TracepointHook>(); }

}  // namespace looptap
