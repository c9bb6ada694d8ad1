// What /proc says of a process and its threads, where it can be told which of its processes wrote the segment.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <ctime>
#include <optional>

#include "exporter/model/process_identity.h"
#include "exporter/procfs/container_identity.h"
#include "exporter/procfs/proc_file.h"

namespace looptap {

struct ProcessFigures {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
  double start_time_seconds = 0;  ///< since the epoch
};

struct ThreadFigures {
  uint64_t cpu_ns = 0;
  uint64_t runqueue_ns = 0;  ///< ready to run and waiting for a CPU, its quota's throttling included
};

/// The process' number in our own PID namespace. Nothing where /proc does not show it, or where NSpid,
/// start ticks and, unless its source told its number in the initial one, namespace do not all match: a wrong process' figures
/// are worse than none. \throws self::Shortage where that cannot be told now.
std::optional<pid_t> find_process(const ProcessIdentity& identity);

/// Which pod, container and unit it runs in, as its cgroups tell; empty where they do not. \throws self::Shortage
ContainerIdentity read_container(pid_t pid);

/// The figures of one process, again and again. Not thread-safe.
class ProcessFiguresReader {
 public:
  /// \throws self::Shortage
  ProcessFiguresReader(pid_t pid, uint64_t start_ticks);

  // Nothing when the process is gone, or its number has been given anew (its start ticks differ):
  /// As in /proc/PID/stat: R, S, D, T (stopped), ... The kernel takes three times as long for it as for the figures.
  std::optional<char> state();
  std::optional<ProcessFigures> read();

 private:
  ProcFile stat_, statm_;
  uint64_t start_ticks_;
  double start_time_seconds_;
  std::optional<clockid_t> cpu_clock_;  // where the kernel lets us read it
};

/// The figures of one of its threads. Not thread-safe.
class ThreadFiguresReader {
 public:
  /// \param thread_id in the PID namespace of the process. \throws self::Shortage
  ThreadFiguresReader(pid_t pid, const ProcessIdentity& identity, uint32_t thread_id);

  uint32_t thread_id() const { return thread_id_; }

  /// Nothing when the thread is gone, or was not there when this was made.
  std::optional<ThreadFigures> read();

 private:
  uint32_t thread_id_;
  ProcFile schedstat_;
};

}  // namespace looptap
