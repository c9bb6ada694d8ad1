#include "exporter/sources/bpf/bpf_requirements.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

#include "exporter/base/capabilities.h"

namespace looptap {

namespace {

constexpr std::pair<int, int> kOldestKernel{5, 12};  // atomics, and a task's storage for tracing programs
constexpr const char* kTypes = "/sys/kernel/btf/vmlinux";

std::pair<int, int> kernel_version() {
  utsname names{};
  int major = 0, minor = 0;
  uname(&names);
  sscanf(names.release, "%d.%d", &major, &minor);
  return {major, minor};
}

}  // namespace

void check_bpf_requirements() {
  const auto version = kernel_version();
  if (version < kOldestKernel)
    throw std::runtime_error("--bpf.target needs Linux 5.12 or newer: this is " +
                             std::to_string(version.first) + "." + std::to_string(version.second));
  if (access(kTypes, F_OK) != 0)
    throw std::runtime_error(
        std::string("--bpf.target needs a kernel that describes its types (BTF, CONFIG_DEBUG_INFO_BTF): "
                    "there is no ") +
        kTypes);
  if (has_capability(CAP_SYS_ADMIN)) return;
  std::string missing;
  if (!has_capability(CAP_BPF)) missing = "CAP_BPF";
  if (!has_capability(CAP_PERFMON)) missing += missing.empty() ? "CAP_PERFMON" : " and CAP_PERFMON";
  if (!missing.empty())
    throw std::runtime_error("--bpf.target needs privileges that are missing: " + missing + " (or root)");
}

bool reading_maps_takes_privilege() { return kernel_version() < std::pair<int, int>{6, 0}; }

}  // namespace looptap
