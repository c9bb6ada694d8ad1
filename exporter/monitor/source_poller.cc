#include "exporter/monitor/source_poller.h"

#include <exception>
#include <utility>

#include "exporter/base/limited_log.h"

namespace looptap {

SourcePoller::SourcePoller(std::vector<std::unique_ptr<LoopSource>> sources) {
  for (auto& source : sources) {
    const self::Counter errors = self::errors(source->name());
    states_.push_back({std::move(source), errors, ""});
  }
}

void SourcePoller::poll(uint64_t now_ns, Depth depth) {
  for (State& state : states_) {
    std::string failure;
    try {
      state.source->refresh(now_ns);
      if (depth == Depth::kRead) state.source->read(now_ns);
    } catch (const std::exception& error) {
      failure = error.what();
      if (failure.empty()) failure = "unknown";
      state.errors.increment();
    }
    if (failure == state.failure) continue;
    const std::string who = std::string("the source ") + state.source->name();
    static LimitedLog changes(LogLevel::kError, "sources that fail");
    changes.write(failure.empty() ? who + " works again"
                                  : who + " fails, its loops are not shown: " + failure);
    state.failure = std::move(failure);
  }
}

std::vector<SourcePoller::Found> SourcePoller::processes() const {
  std::vector<Found> all;
  for (size_t i = 0; i < states_.size(); i++)
    if (!is_failing(i))
      for (const SourceProcess* process : states_[i].source->processes()) all.push_back({process, i});
  return all;
}

SourceLosses SourcePoller::losses() const {
  SourceLosses all;
  for (const State& state : states_) all += state.source->losses();
  return all;
}

}  // namespace looptap
