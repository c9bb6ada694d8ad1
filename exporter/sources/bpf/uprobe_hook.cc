// The wait functions of the C libraries, glibc and musl: traps in the processes themselves, on request only.
#include "exporter/sources/bpf/libc_files.h"
#include "exporter/sources/bpf/wait_hook.h"

namespace looptap {

namespace {

constexpr pid_t kEverybody = -1;
constexpr const char* kEpollWaits[] = {"epoll_wait", "epoll_pwait", "epoll_pwait2"};

class UprobeHook : public WaitHook {
 public:
  explicit UprobeHook(const BpfTargets& targets) : targets_(targets) {}

  bool uses(std::string_view, std::string_view section) const override {
    return section == "uprobe" || section == "uretprobe";
  }

  void attach(BpfAttacher& attacher) const override {
    if (targets_.names.empty() && targets_.cgroups.empty() && !targets_.all)
      for (const uint32_t pid : targets_.pids)
        attach_to_files(attacher, static_cast<pid_t>(pid), find_libc_files({pid}),
                        "process " + std::to_string(pid) + " has no");
    else
      attach_to_files(attacher, kEverybody, find_libc_files({}), "no process has a");
  }

 private:
  static void attach_to_files(BpfAttacher& attacher, pid_t pid, const std::vector<LibcFile>& files,
                              const std::string& none) {
    if (files.empty()) throw std::runtime_error(attacher.prefix() + none + " libc that could be probed");
    for (const LibcFile& libc : files) {
      for (const char* create : {"epoll_create", "epoll_create1"})
        attacher.attach_to_function("return_epoll_create", true, pid, libc, create);
      for (const char* wait : kEpollWaits) {
        // musl's epoll_wait calls its epoll_pwait.
        if (libc.is_musl && wait == kEpollWaits[0]) continue;
        const bool has_timespec = wait == kEpollWaits[2];
        attacher.attach_to_function("return_wait", true, pid, libc, wait);
        attacher.attach_to_function(has_timespec ? "call_timespec" : "call_milliseconds", false, pid, libc,
                                    wait);
      }
    }
  }

  const BpfTargets targets_;
};

}  // namespace

std::unique_ptr<WaitHook> make_uprobe_hook(const BpfTargets& targets) {
  return std::make_unique<UprobeHook>(targets);
}

}  // namespace looptap
