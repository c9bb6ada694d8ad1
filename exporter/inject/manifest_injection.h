// A whole manifest, with the probe in its pods.
//
// Thread-safe: pure functions. Errors: YamlError, with the place.
#pragma once

#include <string>

#include "exporter/inject/pod_injection.h"

namespace looptap {

/// \return the manifest with the probe; documents without a change byte for byte. The report's places have no file name.
/// \throws YamlError
std::string inject_manifest(const std::string& manifest, const InjectionOptions& options,
                            InjectionReport& report);

}  // namespace looptap
