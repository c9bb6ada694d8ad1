#include "exporter/sources/bpf/syscall_tracepoints.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace looptap {

namespace {

constexpr const char* kPlaces[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
constexpr const char* kSyscalls = "events/syscalls";

/// tracefs; where it is not mounted, a mount of our own that nobody else sees.
int open_tracefs() {
  for (const char* place : kPlaces) {
    const int root = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0 && faccessat(root, kSyscalls, F_OK, 0) == 0) return root;
    if (root >= 0) close(root);
  }
  const int file_system = static_cast<int>(syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC));
  if (file_system < 0) return -1;
  int root = -1;
  if (syscall(SYS_fsconfig, file_system, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0)
    root = static_cast<int>(syscall(SYS_fsmount, file_system, FSMOUNT_CLOEXEC, 0));
  const int error = errno;
  close(file_system);
  errno = error;
  return root;
}

}  // namespace

int open_syscall_tracepoint(const std::string& name) {
  const int root = open_tracefs();
  if (root < 0 || faccessat(root, kSyscalls, F_OK, 0) != 0) {
    const std::string why = strerror(errno);
    if (root >= 0) close(root);
    throw std::runtime_error("the syscalls' tracepoints cannot be reached: tracefs at /sys/kernel/tracing: " +
                             why);
  }
  const int file = openat(root, (std::string(kSyscalls) + "/" + name + "/id").c_str(), O_RDONLY | O_CLOEXEC);
  const int error = errno;
  close(root);
  if (file < 0 && error == ENOENT) return -1;
  char number[32] = {};
  const bool is_read = file >= 0 && read(file, number, sizeof number - 1) > 0;
  if (file >= 0) close(file);
  if (!is_read)
    throw std::runtime_error("the tracepoint " + name + " cannot be read: " + strerror(error) +
                             " (root, or CAP_DAC_READ_SEARCH)");

  perf_event_attr event{};
  event.size = sizeof event;
  event.type = PERF_TYPE_TRACEPOINT;
  event.config = strtoull(number, nullptr, 10);
  event.sample_period = 1;
  event.wakeup_events = 1;
  // On the first CPU, which says nothing: a BPF program that is attached to it runs on all of them.
  const long fd = syscall(SYS_perf_event_open, &event, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) throw std::runtime_error("the tracepoint " + name + " cannot be opened: " + strerror(errno));
  return static_cast<int>(fd);
}

}  // namespace looptap
