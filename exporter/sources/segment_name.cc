#include "exporter/sources/segment_name.h"

#include <algorithm>
#include <string>

namespace looptap {

bool is_segment_name_of(const ProcessIdentity& process, std::string_view name) {
  for (const uint64_t pid_namespace : {process.pid_namespace, uint64_t{0}}) {
    const std::string start = std::to_string(process.pid) + "-" + std::to_string(pid_namespace) + "-";
    if (!name.starts_with(start)) continue;
    const std::string_view instant = name.substr(start.size());
    return !instant.empty() && std::all_of(instant.begin(), instant.end(),
                                           [](char digit) { return digit >= '0' && digit <= '9'; });
  }
  return false;
}

}  // namespace looptap
