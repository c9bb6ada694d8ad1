#include "exporter/monitor/source_poller.h"

#include <string>
#include <utility>

namespace looptap {

SourcePoller::SourcePoller(std::vector<std::unique_ptr<LoopSource>> sources) {
  for (auto& source : sources) {
    const char* name = source->name();
    states_.push_back(
        {std::move(source), {name, std::string("the source ") + name, "its loops are not shown"}});
  }
}

void SourcePoller::poll(uint64_t now_ns, Depth depth) {
  for (State& state : states_)
    state.part.run([&] {
      state.source->refresh(now_ns);
      if (depth == Depth::kRead) state.source->read(now_ns);
    });
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
