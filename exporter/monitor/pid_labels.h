// The `pid` labels of processes.
//
// Not thread-safe. Nothing throws but for want of memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "exporter/model/process_identity.h"

namespace looptap {

/// Gives no two living processes of one name the same label: containers that share a segment directory all have a pid 1,
/// and of two series with the same labels Prometheus hides one. Who asks first gets the plain pid; the next one
/// `pid@<namespace>`. The dead make room: a restarted container has the labels that it had. Not thread-safe.
class PidLabels {
 public:
  /// A label that no other living process of this name has, until it is given back.
  /// \param id that no other process has or had.
  std::string take(uint64_t id, const ProcessIdentity& identity);

  /// The process is dead: it keeps its label until another one wants it.
  void release(uint64_t id, const ProcessIdentity& identity, const std::string& label);

  /// Whether no other process has taken the label over.
  bool holds(uint64_t id, const ProcessIdentity& identity, const std::string& label) const;

  void give_back(uint64_t id, const ProcessIdentity& identity, const std::string& label);

 private:
  struct Holder {
    uint64_t id;
    bool makes_room;
  };

  std::map<std::pair<std::string, std::string>, Holder> holders_;  // by name and label
};

}  // namespace looptap
