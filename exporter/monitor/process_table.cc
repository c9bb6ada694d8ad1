#include "exporter/monitor/process_table.h"

#include <algorithm>

#include "exporter/self/shortage.h"

namespace looptap {

std::vector<TrackedProcess*> ProcessTable::follow(const SourcePoller& sources) {
  std::vector<TrackedProcess*> all, young;
  for (auto& [id, process] : processes_) {
    process.source = nullptr;
    process.is_listed = false;
  }
  for (const auto& [source, from] : sources.processes()) {
    const auto [place, is_new] = processes_.try_emplace(source->id);
    TrackedProcess& process = place->second;
    process.source = source;
    process.from = from;
    process.is_listed = true;
    all.push_back(&process);
    if (!process.is_begun) young.push_back(&process);
    if (!is_new && !process.is_alive()) pid_labels_.release(source->id, process.identity, process.pid_label);
  }
  // Those that are gone first: their labels are free.
  std::erase_if(processes_, [&](const auto& entry) {
    const TrackedProcess& process = entry.second;
    if (process.is_listed || sources.is_failing(process.from)) return false;
    pid_labels_.give_back(entry.first, process.identity, process.pid_label);
    return true;
  });
  // The younger of two with one name and pid gets the longer label, in whatever order they were found.
  std::sort(young.begin(), young.end(), [](const TrackedProcess* a, const TrackedProcess* b) {
    return a->source->identity.created_ns < b->source->identity.created_ns;
  });
  for (TrackedProcess* process : young) {
    try {
      begin(*process);
    } catch (const self::Shortage&) {
      // It is shown without what /proc says of it, which is asked again at the next poll.
    }
  }
  return all;
}

void ProcessTable::begin(TrackedProcess& process) {
  const uint64_t id = process.source->id;
  if (process.pid_label.empty()) {
    process.identity = process.source->identity;
    process.pid_label = pid_labels_.take(id, process.identity);
  }
  if (!process.is_alive()) pid_labels_.release(id, process.identity, process.pid_label);
  process.pid = find_process(process.identity);
  if (process.pid) {
    process.container = read_container(*process.pid);
    process.figures.emplace(*process.pid, process.identity.start_ticks);
  }
  process.is_begun = true;
}

void ProcessTable::follow_loops(TrackedProcess& process, uint64_t now_ns) {
  for (const LoopSample& sample : process.source->samples()) {
    if (process.loops.contains(sample.ordinal)) continue;
    // All of a young process lies within the window; of an old one, only what we see from now on.
    const bool is_young = process.identity.created_ns + settings_.window_ns >= now_ns;
    const bool is_newborn = process.identity.created_ns + LoopHistory::kColumn_ns >= now_ns;
    process.loops.emplace(
        sample.ordinal,
        TrackedLoop{++last_loop_id_, is_young ? LatencyWindow() : LatencyWindow(sample),
                    LoopHistory(is_newborn ? LoopSample() : sample),
                    StallDetector(is_newborn ? LoopSample() : sample, settings_.stall_bound), std::nullopt});
  }
}

bool ProcessTable::is_shown(const TrackedProcess& process) const {
  return process.is_alive() || pid_labels_.holds(process.source->id, process.identity, process.pid_label);
}

const TrackedLoop* ProcessTable::find_loop(uint64_t id) const {
  for (const auto& [process_id, process] : processes_)
    for (const auto& [ordinal, loop] : process.loops)
      if (loop.id == id) return &loop;
  return nullptr;
}

}  // namespace looptap
