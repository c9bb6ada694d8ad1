// The `pid` labels of processes.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "exporter/process_identity.h"

namespace looptap {

/// Gives no two processes of one name the same label: containers that share a segment directory all have a pid 1, and
/// of two series with the same labels Prometheus hides one. Who asks first gets the plain pid; the next one
/// `pid@<namespace>`. Not thread-safe.
class PidLabels {
 public:
  /// A label that no other process of this name has, until it is given back.
  std::string take(const ProcessIdentity& identity);
  void give_back(const ProcessIdentity& identity, const std::string& label);

 private:
  std::set<std::pair<std::string, std::string>> taken_;  // names and labels
};

}  // namespace looptap
