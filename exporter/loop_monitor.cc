#include "exporter/loop_monitor.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "exporter/duration.h"
#include "exporter/log.h"
#include "exporter/monotonic_clock.h"

namespace looptap {

namespace {

Observed lifetime_of(const LoopSample& sample) {
  const Reckoning reckoning = reckon(sample);
  return {sample.iterations, reckoning.wait_ns + reckoning.poll_ns, reckoning.open_iteration_ns, 0};
}

}  // namespace

LoopMonitor::LoopMonitor(const Settings& settings)
    : window_ns_(settings.window_ns),
      stall_threshold_ns_(settings.stall_threshold_ns),
      directory_(settings.directory, settings.linger_ns) {
  read_all(monotonic_now_ns());
  ticker_ = std::thread([this] { tick_until_stopped(); });
}

LoopMonitor::~LoopMonitor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  ticker_.join();
}

void LoopMonitor::read_all(uint64_t now_ns) {
  directory_.refresh(now_ns);
  std::vector<std::pair<std::string, Rejection>> faults;
  for (const auto& [name, segment] : directory_.segments()) {
    // A dead process' figures stand at its exit, or where it was last seen alive.
    uint64_t at_ns = now_ns;
    if (segment.dead_since_ns) {
      at_ns = segment.file->exited_ns();
      if (!at_ns || at_ns > now_ns) at_ns = segment.last_alive_ns;
    }
    samples_[name] = segment.file->read(at_ns, segment.dead_since_ns.has_value());
    if (const auto fault = segment.file->fault()) faults.emplace_back(name, *fault);
    for (const LoopSample& sample : samples_[name]) {
      const auto key = std::make_pair(name, sample.ordinal);
      if (windows_.contains(key)) continue;
      // All of a young process lies within the window; of an old one, only what we see from now on.
      const bool young = segment.file->identity().created_ns + window_ns_ >= now_ns;
      windows_.emplace(key, young ? LatencyWindow() : LatencyWindow(sample));
      const bool new_born = segment.file->identity().created_ns + LoopHistory::kColumn_ns >= now_ns;
      histories_.emplace(key, LoopHistory(++last_loop_id_, new_born ? LoopSample() : sample));
    }
  }
  for (const auto& [name, why] : faults) directory_.refuse(name, why);
  look_at_processes(now_ns);
  std::erase_if(samples_, [&](const auto& entry) { return !directory_.segments().contains(entry.first); });
  std::erase_if(windows_, [&](const auto& entry) { return !samples_.contains(entry.first.first); });
  std::erase_if(histories_, [&](const auto& entry) { return !samples_.contains(entry.first.first); });
}

void LoopMonitor::look_at_processes(uint64_t now_ns) {
  for (const auto& [name, segment] : directory_.segments()) {
    const auto [place, is_new] = processes_.try_emplace(name);
    Process& process = place->second;
    const ProcessIdentity& identity = segment.file->identity();
    if (is_new) process.pid = find_process(identity);
    process.figures =
        process.pid ? read_process(*process.pid, identity.start_ticks) : std::optional<ProcessFigures>();
    const bool stopped = process.figures && (process.figures->state == 'T' || process.figures->state == 't');
    if (!stopped)
      process.stopped_since_ns = 0;
    else if (!process.stopped_since_ns)
      process.stopped_since_ns = now_ns;
    if (segment.dead_since_ns) note_death(segment, process);
  }
  std::erase_if(processes_, [&](const auto& entry) { return !directory_.segments().contains(entry.first); });
}

void LoopMonitor::note_death(const TrackedSegment& segment, Process& process) {
  if (std::exchange(process.death_noted, true)) return;
  // An exit in good order is no accident, and a process that is still there has begun anew by exec.
  if (segment.file->exited_ns() || !segment.last_alive_ns || process.figures) return;
  for (const LoopSample& sample : samples_[segment.file_name]) {
    if (sample.activity != Activity::kAway || sample.nested) continue;
    const uint64_t away_ns = segment.last_alive_ns > sample.activity_since_ns
                                 ? segment.last_alive_ns - sample.activity_since_ns
                                 : 0;
    if (away_ns < stall_threshold_ns_) continue;
    deaths_in_stall_++;
    const ProcessIdentity& identity = segment.file->identity();
    log(LogLevel::kWarn, identity.name + " (pid " + segment.pid_label + ") died without exiting while loop " +
                             std::to_string(sample.ordinal) + " (thread " + sample.thread_name +
                             ") had been away for at least " +
                             format_seconds(static_cast<double>(away_ns) * 1e-9));
  }
}

LoopView LoopMonitor::view_of(const TrackedSegment& segment, const LoopSample& sample, uint64_t now_ns) {
  const ProcessIdentity& identity = segment.file->identity();
  const Process& process = processes_[segment.file_name];
  LoopView loop;
  loop.process = identity.name;
  loop.pid = segment.pid_label;
  loop.loop = std::to_string(sample.ordinal);
  loop.thread = sample.thread_name;
  loop.segment = segment.file_name;
  loop.alive = !segment.dead_since_ns;
  if (loop.alive) {
    loop.blocked_ns = blocked_ns(sample);
    // Stopped inside a wait: its deadline may be far, or none.
    if (process.stopped_since_ns && sample.activity != Activity::kDormant)
      loop.blocked_ns = std::max(loop.blocked_ns, now_ns - process.stopped_since_ns);
    if (process.figures) loop.figures = read_thread(*process.pid, identity, sample.thread_id);
  }
  loop.sample = sample;
  loop.lifetime = lifetime_of(sample);
  loop.window = windows_[{segment.file_name, sample.ordinal}].observed(sample);
  const LoopHistory& history = histories_[{segment.file_name, sample.ordinal}];
  loop.id = history.id();
  loop.utilization = history.utilization(sample);
  return loop;
}

MonitorView LoopMonitor::view() {
  std::lock_guard lock(mutex_);
  const uint64_t now_ns = monotonic_now_ns();
  read_all(now_ns);

  MonitorView view;
  view.rejected = directory_.rejected();
  view.unremovable_segments = directory_.unremovable();
  view.dropped_loops = directory_.forgotten_drops();
  view.inconsistent_reads = directory_.forgotten_inconsistent_reads();
  view.deaths_in_stall = deaths_in_stall_;
  for (const auto& [name, segment] : directory_.segments()) {
    const bool alive = !segment.dead_since_ns;
    (alive ? view.live_segments : view.ended_segments)++;
    view.dropped_loops += segment.file->loops_dropped();
    view.inconsistent_reads += segment.file->inconsistent_reads();
    const ProcessIdentity& identity = segment.file->identity();
    if (alive)
      view.processes.push_back(
          {identity.name, segment.pid_label, identity.pid_namespace, processes_[name].figures});
    for (const LoopSample& sample : samples_[name]) view.loops.push_back(view_of(segment, sample, now_ns));
  }
  return view;
}

std::optional<std::vector<HistoryColumn>> LoopMonitor::history(uint64_t id) {
  std::lock_guard lock(mutex_);
  const auto found = std::find_if(histories_.begin(), histories_.end(),
                                  [&](const auto& entry) { return entry.second.id() == id; });
  if (found == histories_.end()) return std::nullopt;
  return found->second.columns();
}

void LoopMonitor::tick_until_stopped() {
  using std::chrono::steady_clock, std::chrono::system_clock;
  const auto interval = std::chrono::nanoseconds(window_ns_ / LatencyWindow::kTicks);
  constexpr auto column = std::chrono::nanoseconds(LoopHistory::kColumn_ns);
  auto next = steady_clock::now() + interval;
  auto next_column = next - interval + column;
  std::unique_lock lock(mutex_);
  constexpr auto kLook = std::chrono::seconds(1);
  for (;;) {
    const auto wake = std::min({next, next_column, steady_clock::now() + kLook});
    if (stop_.wait_until(lock, wake, [this] { return stopping_; })) return;
    if (wake < std::min(next, next_column)) {  // only to know within a second who lives
      directory_.refresh(monotonic_now_ns());
      continue;
    }
    // With the window that is the default, both are due at the same instants.
    const auto due = std::min(next, next_column);
    const bool window_due = next == due, column_due = next_column == due;
    if (window_due) next += interval;
    if (column_due) next_column += column;
    const auto unix_s = static_cast<uint32_t>(system_clock::to_time_t(system_clock::now()));
    read_all(monotonic_now_ns());
    for (const auto& [name, samples] : samples_) {
      for (const LoopSample& sample : samples) {
        if (window_due) windows_[{name, sample.ordinal}].tick(sample);
        if (column_due) histories_[{name, sample.ordinal}].tick(sample, unix_s);
      }
    }
  }
}

}  // namespace looptap
