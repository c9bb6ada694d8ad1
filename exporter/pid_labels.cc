#include "exporter/pid_labels.h"

#include <cstdint>

namespace looptap {

std::string PidLabels::take(const ProcessIdentity& identity) {
  const std::string pid = std::to_string(identity.pid);
  std::string label = pid;
  const auto is_free = [&] { return taken_.emplace(identity.name, label).second; };
  if (is_free()) return label;
  if (identity.pid_namespace) {
    label = pid + "@" + std::to_string(identity.pid_namespace);
    if (is_free()) return label;
  }
  // Processes that nothing tells apart but that they were made one after the other; the rest is forged.
  for (uint64_t number = identity.created_ns;; number++) {
    label = pid + "@" + std::to_string(number);
    if (is_free()) return label;
  }
}

void PidLabels::give_back(const ProcessIdentity& identity, const std::string& label) {
  taken_.erase({identity.name, label});
}

}  // namespace looptap
