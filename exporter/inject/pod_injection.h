// What makes a pod a measured one: looptap's container and volumes, and a few lines in the application's containers.
//
// Thread-safe: pure functions. Errors: YamlError, with the place.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "exporter/inject/yaml_node.h"

namespace looptap {

using ResourceList = std::vector<std::pair<std::string, std::string>>;  ///< such as {"cpu", "10m"}

struct InjectionOptions {
  std::string image = {};
  bool classic = false;   ///< for clusters before 1.29, which have no native sidecars
  unsigned port = 10064;  ///< a pod's annotation looptap.dev/port goes before it
  // All of these, since a ResourceQuota refuses pods with a container that lacks what it counts.
  ResourceList requests = {{"cpu", "10m"}, {"memory", "32Mi"}};
  ResourceList limits = {{"cpu", "200m"}, {"memory", "64Mi"}};
  std::vector<std::string> containers = {};  ///< only these; empty: all. Native sidecars only if named here
  std::vector<std::string> excluded_containers = {};  ///< but not these
};

struct InjectionReport {
  std::vector<std::string> pods;      ///< for each pod (template) that was looked at, what became of it
  std::vector<std::string> warnings;  ///< with the place in front, as LINE:COLUMN
};

/// Whether it is of a kind that inject_probe() knows. Aliases may be in it.
bool may_have_pods(const YamlNode& object);

/// Adds what is missing to the pods of a Kubernetes object without aliases: a Pod, PodTemplate, ReplicationController,
/// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob, or a List of such. Others stay as they are, and so does
/// what has it all already. \return whether anything was added. \throws YamlError
bool inject_probe(YamlNode& object, const InjectionOptions& options, InjectionReport& report);

}  // namespace looptap
