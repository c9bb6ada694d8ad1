#include "exporter/monitor/pid_labels.h"

namespace looptap {

std::string PidLabels::take(uint64_t id, const ProcessIdentity& identity) {
  const std::string pid = std::to_string(identity.pid);
  std::string label = pid;
  const auto is_free = [&] {
    const auto [place, is_new] = holders_.try_emplace({identity.name, label}, Holder{id, false});
    if (!is_new && !place->second.makes_room) return false;
    place->second = {id, false};
    return true;
  };
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

void PidLabels::release(uint64_t id, const ProcessIdentity& identity, const std::string& label) {
  const auto holder = holders_.find({identity.name, label});
  if (holder != holders_.end() && holder->second.id == id) holder->second.makes_room = true;
}

bool PidLabels::holds(uint64_t id, const ProcessIdentity& identity, const std::string& label) const {
  const auto holder = holders_.find({identity.name, label});
  return holder != holders_.end() && holder->second.id == id;
}

void PidLabels::give_back(uint64_t id, const ProcessIdentity& identity, const std::string& label) {
  if (holds(id, identity, label)) holders_.erase({identity.name, label});
}

}  // namespace looptap
