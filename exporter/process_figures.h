// What /proc says of a process and its threads, where it can be told which of its processes wrote the segment.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <optional>

#include "exporter/container_identity.h"
#include "exporter/process_identity.h"

namespace looptap {

struct ProcessFigures {
  char state = '?';  ///< as in /proc/PID/stat: R, S, D, T (stopped), ...
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
  double start_time_seconds = 0;  ///< since the epoch
};

struct ThreadFigures {
  double cpu_seconds = 0;
  double runqueue_seconds = 0;  ///< ready to run and waiting for a CPU, its quota's throttling included
};

/// The process' number in our own PID namespace. Nothing where /proc does not show it, or where NSpid,
/// namespace and start ticks do not all match: a wrong process' figures are worse than none.
std::optional<pid_t> find_process(const ProcessIdentity& identity);

/// Nothing when the process is gone, or the number has been given anew (its start ticks differ).
std::optional<ProcessFigures> read_process(pid_t pid, uint64_t start_ticks);

/// Which pod, container and unit it runs in, as its cgroups tell; empty where they do not.
ContainerIdentity read_container(pid_t pid);

/// \param thread_id in the PID namespace of the process.
std::optional<ThreadFigures> read_thread(pid_t pid, const ProcessIdentity& identity, uint32_t thread_id);

}  // namespace looptap
