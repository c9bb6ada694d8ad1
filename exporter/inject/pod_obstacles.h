// What keeps a pod from being measured, or from starting with looptap in it. deploy/kubernetes/admission/policy.yaml says the
// same in CEL.
//
// Thread-safe: pure functions. Errors: YamlError, with the place.
#pragma once

#include <string>

#include "exporter/inject/pod_injection.h"
#include "exporter/inject/yaml_node.h"

namespace looptap {

/// The port of looptap in this pod: its annotation's, or else that of the options. \throws YamlError if it is no port.
unsigned port_in_pod(YamlNode& pod, const InjectionOptions& options);

/// Why a pod is better left as it is, as in "it ..."; empty: nothing speaks against it.
std::string reason_to_skip(YamlNode& pod, const InjectionOptions& options);

/// \throws YamlError where the pod has looptap's port, or volumes of another kind with the names of looptap's.
void refuse_conflicts(YamlNode& spec, unsigned port);

/// Whether both are the same directory, whatever slashes they have.
bool same_directory(const std::string& one, const std::string& other);

/// What looptap's container may ask for, so that the pod starts and keeps its quality-of-service class.
void fit_resources(YamlNode& spec, InjectionOptions& options);

}  // namespace looptap
