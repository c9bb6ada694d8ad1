// Asks all sources, each of which may fail by itself.
//
// A source that throws is counted in looptap_errors_total{where=<its name>}, told once when it begins to fail or fails in another
// way, once when it works again, and left out of what is read until then; the others are served.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "exporter/monitor/failing_part.h"
#include "exporter/sources/loop_source.h"

namespace looptap {

class SourcePoller {
 public:
  explicit SourcePoller(std::vector<std::unique_ptr<LoopSource>> sources);

  /// A process as its source knows it: valid until the next poll.
  struct Found {
    const SourceProcess* process;
    size_t source;  ///< its number
  };

  enum class Depth {
    kRefresh,  ///< who lives
    kRead      ///< and every loop's sample
  };
  void poll(uint64_t now_ns, Depth depth);

  /// Of the sources that did not fail at the last poll, in an order that stays.
  std::vector<Found> processes() const;

  /// Whether it failed at the last poll: what it knows of its processes is then out of date, not gone.
  bool is_failing(size_t source) const { return states_[source].part.is_failing(); }

  size_t count() const { return states_.size(); }
  const char* name_of(size_t source) const { return states_[source].source->name(); }

  SourceLosses losses() const;  ///< of all sources

 private:
  struct State {
    std::unique_ptr<LoopSource> source;
    FailingPart part;
  };
  std::vector<State> states_;
};

}  // namespace looptap
