// What `looptap inject` adds to a pod: containers, and parts of the application's.
//
// Thread-safe: pure functions that do not fail.
#pragma once

#include <string>

#include "exporter/inject/pod_injection.h"
#include "exporter/inject/yaml_node.h"

namespace looptap {

// The names, as deploy/kubernetes/sidecar has them.
inline constexpr const char* kSidecar = "looptap";
inline constexpr const char* kInstaller = "looptap-install";
inline constexpr const char* kLibraryVolume = "looptap-lib";
inline constexpr const char* kSegmentsVolume = "looptap-shm";
inline constexpr const char* kLibraryDirectory = "/looptap/lib";
inline constexpr const char* kSegmentsDirectory = "/looptap/shm";
inline constexpr const char* kLibrary = "/looptap/lib/liblooptap.so";
inline constexpr unsigned kUsualPort = 10064;

YamlNode mount(const char* volume, const char* directory, bool read_only = false);
YamlNode variable(const char* name, const std::string& value);

/// 10m and 32Mi are strings as they stand; 1 and 1e3 are not.
YamlNode quantity(const std::string& text);

/// The init container that puts the library into its volume, where the sidecar does not do that itself.
YamlNode installer(const InjectionOptions& options, bool pod_is_root);
YamlNode sidecar(const InjectionOptions& options, bool pod_is_root);

}  // namespace looptap
