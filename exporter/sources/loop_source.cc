#include "exporter/sources/loop_source.h"

#include <atomic>
#include <utility>

namespace looptap {

namespace {

uint64_t next_id() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace

SourceProcess::SourceProcess(ProcessIdentity who) : id(next_id()), identity(std::move(who)) {}

uint64_t SourceProcess::as_of(uint64_t now_ns) const {
  if (!dead_since_ns) return now_ns;
  return exited_ns && exited_ns <= now_ns ? exited_ns : last_alive_ns;
}

SourceLosses& SourceLosses::operator+=(const SourceLosses& other) {
  dropped_loops += other.dropped_loops;
  loops_over_limit += other.loops_over_limit;
  unremovable += other.unremovable;
  return *this;
}

}  // namespace looptap
