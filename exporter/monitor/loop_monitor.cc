#include "exporter/monitor/loop_monitor.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "exporter/base/duration.h"
#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"

namespace looptap {

namespace {

constexpr uint64_t kJustNow_ns = 1'000'000'000;
constexpr uint64_t kLook_ns = 1'000'000'000;  // within which it is known who lives

}  // namespace

LoopMonitor::LoopMonitor(std::vector<std::unique_ptr<LoopSource>> sources, const Settings& settings)
    : window_ns_(settings.window_ns),
      stall_threshold_ns_(settings.stall_threshold_ns),
      sources_(std::move(sources)) {
  const uint64_t now_ns = monotonic_now_ns();
  next_tick_ns_ = now_ns + window_ns_ / LatencyWindow::kTicks;
  next_column_ns_ = now_ns + LoopHistory::kColumn_ns;
  read_all(now_ns, Look::kToKeepTheBooks);
}

std::vector<const SourceProcess*> LoopMonitor::source_processes() const {
  std::vector<const SourceProcess*> all;
  for (const auto& source : sources_) {
    const auto some = source->processes();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::vector<LoopMonitor::Known> LoopMonitor::read_all(uint64_t now_ns, Look look) {
  for (const auto& source : sources_) {
    source->refresh(now_ns);
    source->read(now_ns);
  }
  std::vector<Known> all = follow_processes();
  for (const auto& [from, process] : all) {
    for (const LoopSample& sample : from->samples()) {
      if (process->loops.contains(sample.ordinal)) continue;
      // All of a young process lies within the window; of an old one, only what we see from now on.
      const bool young = from->identity.created_ns + window_ns_ >= now_ns;
      const bool new_born = from->identity.created_ns + LoopHistory::kColumn_ns >= now_ns;
      process->loops.emplace(sample.ordinal,
                             Loop{++last_loop_id_, young ? LatencyWindow() : LatencyWindow(sample),
                                  LoopHistory(new_born ? LoopSample() : sample), std::nullopt});
    }
    look_at(*from, *process, now_ns, look);
  }
  return all;
}

std::vector<LoopMonitor::Known> LoopMonitor::follow_processes() {
  std::vector<Known> all;
  std::vector<const SourceProcess*> young;
  for (auto& [id, process] : processes_) process.is_known = false;
  for (const SourceProcess* from : source_processes()) {
    const auto [place, is_new] = processes_.try_emplace(from->id);
    Process& process = place->second;
    process.is_known = true;
    all.push_back({from, &process});
    if (is_new)
      young.push_back(from);
    else if (from->dead_since_ns)
      pid_labels_.release(from->id, process.identity, process.view.pid);
  }
  // Those that are gone first: their labels are free.
  std::erase_if(processes_, [&](const auto& entry) {
    const Process& process = entry.second;
    if (!process.is_known) pid_labels_.give_back(entry.first, process.identity, process.view.pid);
    return !process.is_known;
  });
  // The younger of two with one name and pid gets the longer label, in whatever order they were found.
  std::sort(young.begin(), young.end(), [](const SourceProcess* a, const SourceProcess* b) {
    return a->identity.created_ns < b->identity.created_ns;
  });
  for (const SourceProcess* from : young) {
    Process& process = processes_.at(from->id);
    process.identity = from->identity;
    process.view.id = from->id;
    process.view.name = from->identity.name;
    process.view.pid = pid_labels_.take(from->id, from->identity);
    if (from->dead_since_ns) pid_labels_.release(from->id, from->identity, process.view.pid);
    process.view.pid_namespace = from->identity.pid_namespace;
    process.pid = find_process(from->identity);
    if (!process.pid) continue;
    process.view.container = read_container(*process.pid);
    process.figures.emplace(*process.pid, process.identity.start_ticks);
  }
  return all;
}

void LoopMonitor::look_at(const SourceProcess& from, Process& process, uint64_t now_ns, Look look) {
  ProcessView& view = process.view;
  view.alive = !from.dead_since_ns;
  view.figures.reset();
  if (!view.alive) {
    note_death(from, process);
    return;
  }
  uint64_t waits = 0, moved_ns = 0;
  for (const LoopSample& sample : from.samples()) {
    waits += sample.waits;
    moved_ns = std::max(moved_ns, sample.activity_since_ns);
  }
  const bool has_moved = std::exchange(process.waits, waits) != waits;
  if (!process.figures) return;
  if (look == Look::kToShow) view.figures = process.figures->read();

  // Whoever moves is not stopped, and need not be asked for, which takes long. For the books it will do that it has moved
  // since the last look.
  const bool moves = moved_ns + kJustNow_ns > now_ns || (has_moved && look == Look::kToKeepTheBooks);
  const std::optional<char> state = moves ? std::nullopt : process.figures->state();
  if (state != 'T' && state != 't')
    process.stopped_since_ns = 0;
  else if (!process.stopped_since_ns)
    process.stopped_since_ns = now_ns;
}

void LoopMonitor::note_death(const SourceProcess& from, Process& process) {
  if (std::exchange(process.death_noted, true)) return;
  // An exit in good order is no accident, and a process that is still there has begun anew by exec. A zombie is not.
  if (from.exited_ns || !from.last_alive_ns) return;
  const std::optional<char> state = process.figures ? process.figures->state() : std::nullopt;
  if (state && state != 'Z') return;
  for (const LoopSample& sample : from.samples()) {
    if (sample.activity != Activity::kAway || sample.nested) continue;
    const uint64_t away_ns =
        from.last_alive_ns > sample.activity_since_ns ? from.last_alive_ns - sample.activity_since_ns : 0;
    if (away_ns < stall_threshold_ns_) continue;
    deaths_in_stall_++;
    log(LogLevel::kWarn, process.view.name + " (pid " + process.view.pid +
                             ") died without exiting while loop " + std::to_string(sample.ordinal) +
                             " (thread " + sample.thread_name + ") had been away for at least " +
                             format_seconds(static_cast<double>(away_ns) * 1e-9));
  }
}

LoopView LoopMonitor::view_of(const Process& process, const LoopSample& sample, Loop& loop, uint64_t now_ns) {
  LoopView view{process.view, sample, loop.id, 0, std::nullopt, loop.window.observed(sample), loop.history};
  if (process.view.alive) {
    view.blocked_ns = blocked_ns(sample);
    // Stopped inside a wait: its deadline may be far, or none.
    if (process.stopped_since_ns && sample.activity != Activity::kDormant)
      view.blocked_ns = std::max(view.blocked_ns, now_ns - process.stopped_since_ns);
    if (process.view.figures) {
      if (!loop.thread || loop.thread->thread_id() != sample.thread_id)
        loop.thread.emplace(*process.pid, process.identity, sample.thread_id);
      view.figures = loop.thread->read();
    }
  }
  return view;
}

MonitorTotals LoopMonitor::visit(const OnProcess& on_process, const OnLoop& on_loop) {
  std::lock_guard lock(mutex_);
  const uint64_t now_ns = monotonic_now_ns();
  const std::vector<Known> all = read_all(now_ns, Look::kToShow);

  MonitorTotals totals;
  totals.deaths_in_stall = deaths_in_stall_;
  for (const auto& source : sources_) totals.losses += source->losses();
  for (const auto& [from, process] : all) {
    if (from->dead_since_ns && !pid_labels_.holds(from->id, process->identity, process->view.pid))
      continue;  // another one has its labels now
    (process->view.alive ? totals.live_processes : totals.ended_processes)++;
    on_process(process->view);
    for (const LoopSample& sample : from->samples())
      on_loop(view_of(*process, sample, process->loops.at(sample.ordinal), now_ns));
  }
  return totals;
}

std::optional<std::vector<HistoryColumn>> LoopMonitor::history(uint64_t id) {
  std::lock_guard lock(mutex_);
  for (const auto& [process_id, process] : processes_)
    for (const auto& [ordinal, loop] : process.loops)
      if (loop.id == id) return loop.history.columns();
  return std::nullopt;
}

uint64_t LoopMonitor::keep_books(uint64_t now_ns) {
  std::lock_guard lock(mutex_);
  // With the window that is the default, both are due at the same instants.
  const uint64_t due_ns = std::min(next_tick_ns_, next_column_ns_);
  if (now_ns < due_ns) {
    for (const auto& source : sources_) source->refresh(now_ns);
  } else {
    const bool tick_due = next_tick_ns_ == due_ns, column_due = next_column_ns_ == due_ns;
    if (tick_due) next_tick_ns_ += window_ns_ / LatencyWindow::kTicks;
    if (column_due) next_column_ns_ += LoopHistory::kColumn_ns;
    const auto unix_s = static_cast<uint32_t>(time(nullptr));
    for (const auto& [from, process] : read_all(now_ns, Look::kToKeepTheBooks)) {
      for (const LoopSample& sample : from->samples()) {
        Loop& loop = process->loops.at(sample.ordinal);
        if (tick_due) loop.window.tick(sample);
        if (column_due) loop.history.tick(sample, unix_s);
      }
    }
  }
  return std::min({next_tick_ns_, next_column_ns_, now_ns + kLook_ns});
}

}  // namespace looptap
