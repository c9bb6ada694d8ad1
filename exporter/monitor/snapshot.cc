#include "exporter/monitor/snapshot.h"

namespace looptap {

uint64_t Snapshot::live_processes() const {
  uint64_t sum = 0;
  for (const ProcessCount& count : shown) sum += count.live;
  return sum;
}

uint64_t Snapshot::ended_processes() const {
  uint64_t sum = 0;
  for (const ProcessCount& count : shown) sum += count.ended;
  return sum;
}

}  // namespace looptap
