// Which pod, container and systemd unit a process belongs to, as the names of its cgroups tell.
//
// Runtimes write these names for themselves and nobody promises them, so only what has exactly the known shape is taken:
// UIDs and ids are hexadecimal numbers of the known lengths. Whoever may make cgroups chooses their names: a process
// with a delegated subtree can claim any identity.
//
// Values and pure functions: thread-safe. Nothing throws but for want of memory.
#pragma once

#include <string>
#include <string_view>

namespace looptap {

/// Each is empty where the cgroup does not tell it.
struct ContainerIdentity {
  std::string pod_uid;       ///< as Kubernetes writes it: 8-4-4-4-12, or 32 digits for a static pod
  std::string container_id;  ///< 64 digits, or as ECS on Fargate writes it
  std::string runtime;       ///< containerd, cri-o, docker, podman; empty where the path does not name it
  std::string unit;          ///< the systemd service or scope; of a container's inside, if that runs systemd

  bool operator==(const ContainerIdentity&) const = default;
};

/// \param path of a cgroup: as a line of /proc/PID/cgroup ends, or of a directory under /sys/fs/cgroup. Any bytes, of
/// any length. Of nested containers the innermost counts; of nested pods, as in kind, too. The monitor of a
/// container (conmon) is in the pod and in no container.
ContainerIdentity identity_of_cgroup(std::string_view path);

/// \param text of /proc/PID/cgroup. With cgroup v1 a process has a path for each hierarchy, and some of them
/// may be those of the runtime itself: the most telling one counts.
ContainerIdentity identity_of_process_cgroups(std::string_view text);

}  // namespace looptap
