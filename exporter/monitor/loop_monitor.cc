#include "exporter/monitor/loop_monitor.h"

#include <algorithm>
#include <ctime>
#include <exception>
#include <utility>

#include "exporter/base/limited_log.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/model/histogram_bounds.h"
#include "exporter/monitor/death_in_stall.h"
#include "exporter/self/shortage.h"

namespace looptap {

namespace {

constexpr uint64_t kRecently_ns = 1'000'000'000;
constexpr uint64_t kPollInterval_ns = 1'000'000'000;  // within which it is known who lives

}  // namespace

LoopMonitor::LoopMonitor(std::vector<std::unique_ptr<LoopSource>> sources, Settings settings)
    : window_ns_(settings.window_ns),
      keep_windows_(settings.keep_windows),
      figures_{nearest_bound(settings.stall_threshold_ns), std::move(settings.quantiles)},
      on_stall_(std::move(settings.on_stall)),
      listener_errors_(self::errors("stall_listener")),
      sources_(std::move(sources)),
      processes_({window_ns_, figures_.stall_bound}) {
  const uint64_t now_ns = monotonic_now_ns();
  next_tick_ns_ = now_ns + window_ns_ / LatencyWindow::kTicks;
  next_column_ns_ = now_ns + LoopHistory::kColumn_ns;
  poll(now_ns, Purpose::kTick);
}

std::vector<TrackedProcess*> LoopMonitor::poll(uint64_t now_ns, Purpose purpose) {
  sources_.poll(now_ns, SourcePoller::Depth::kRead);
  std::vector<TrackedProcess*> all = processes_.follow(sources_);
  for (TrackedProcess* process : all) {
    processes_.follow_loops(*process, now_ns);
    update_process(*process, now_ns, purpose);
  }
  return all;
}

void LoopMonitor::update_process(TrackedProcess& process, uint64_t now_ns, Purpose purpose) {
  if (!process.is_alive()) {
    if (!std::exchange(process.death_handled, true))
      count_deaths_in_stall(process, bound_ns(figures_.stall_bound));
    return;
  }
  uint64_t waits = 0, progress_ns = 0;
  for (const LoopSample& sample : process.source->samples()) {
    waits += sample.waits;
    progress_ns = std::max(progress_ns, sample.activity_since_ns);
  }
  const bool has_waited = std::exchange(process.waits, waits) != waits;
  if (!process.figures) return;

  // A process that made progress is not stopped: that saves reading its state letter, for which the kernel takes three
  // times as long as for all other figures. For a tick it will do that it made any since the last poll.
  const bool is_running = progress_ns + kRecently_ns > now_ns || (has_waited && purpose == Purpose::kTick);
  const std::optional<char> state = is_running ? std::nullopt : process.figures->state();
  if (state != 'T' && state != 't')
    process.stopped_since_ns = 0;
  else if (!process.stopped_since_ns)
    process.stopped_since_ns = now_ns;
}

void LoopMonitor::follow_thread(const TrackedProcess& process, TrackedLoop& loop,
                                const LoopSample& sample) const {
  if (loop.thread && loop.thread->thread_id() == sample.thread_id) return;
  loop.thread.reset();
  try {
    loop.thread.emplace(*process.pid, process.identity, sample.thread_id);
  } catch (const self::Shortage&) {
    // Its figures are left out, and it is looked for again at the next scrape.
  }
}

Observed LoopMonitor::show_figures(const TrackedProcess& process, TrackedLoop& loop, const LoopSample& sample,
                                   uint64_t now_ns, bool with_thread, LoopFigures& figures) const {
  LoopContext context;
  context.alive = process.is_alive();
  if (process.stopped_since_ns) context.stopped_for_ns = now_ns - process.stopped_since_ns;
  context.utilization = loop.history.utilization(sample);
  if (with_thread) {
    follow_thread(process, loop, sample);
    if (const auto thread = loop.thread ? loop.thread->read() : std::nullopt) {
      context.thread_cpu_ns = thread->cpu_ns;
      context.thread_runqueue_ns = thread->runqueue_ns;
    }
  }
  Observed window = loop.window.observed(sample);
  figures = loop_figures(sample, window, context, figures_);
  return window;
}

void LoopMonitor::tell_of_stalls(const TrackedProcess& process, TrackedLoop& loop, const LoopSample& sample,
                                 const LoopFigures& figures) {
  loop.stalls.update(sample, figures, [&](const StallChange& change) {
    try {
      on_stall_({change.kind, process.identity.name, process.pid_label, process.pid, loop.id, sample.ordinal,
                 sample.thread_name, sample.thread_id, change.began_ns, change.duration_ns, change.count,
                 !process.is_alive()});
    } catch (const std::exception& error) {
      listener_errors_.increment();
      static LimitedLog failures(LogLevel::kError, "listeners for stalls");
      failures.write([&] { return std::string("whoever listens for stalls fails: ") + error.what(); });
    }
  });
}

void LoopMonitor::show_process(TrackedProcess& process, uint64_t now_ns, ProcessSnapshot& shown) {
  shown.id = process.source->id;
  shown.name = process.identity.name;
  shown.pid = process.pid_label;
  shown.alive = process.is_alive();
  shown.pid_namespace = process.identity.pid_namespace;
  shown.container = process.container;
  shown.figures.reset();
  if (shown.alive && process.figures) shown.figures = process.figures->read();
  const auto& samples = process.source->samples();
  shown.loops.resize(samples.size());
  for (size_t i = 0; i < samples.size(); i++) {
    TrackedLoop& loop = process.loops.at(samples[i].ordinal);
    LoopSnapshot& out = shown.loops[i];
    out.id = loop.id;
    out.sample = samples[i];
    Observed window = show_figures(process, loop, samples[i], now_ns, shown.figures.has_value(), out.figures);
    if (keep_windows_) out.window = std::move(window);
    if (on_stall_) tell_of_stalls(process, loop, samples[i], out.figures);
  }
}

Snapshot LoopMonitor::snapshot(Snapshot reuse) {
  std::lock_guard lock(mutex_);
  Snapshot snapshot = std::move(reuse);
  snapshot.taken_ns = monotonic_now_ns();
  snapshot.window_ns = window_ns_;
  snapshot.stall_bound = figures_.stall_bound;
  snapshot.quantiles = figures_.quantiles;
  snapshot.shown.clear();
  for (size_t source = 0; source < sources_.count(); source++)
    snapshot.shown.push_back({sources_.name_of(source), 0, 0});

  const std::vector<TrackedProcess*> all = poll(snapshot.taken_ns, Purpose::kScrape);
  size_t count = 0;
  for (TrackedProcess* process : all) {
    if (!processes_.is_shown(*process)) continue;
    ProcessCount& shown = snapshot.shown[process->from];
    (process->is_alive() ? shown.live : shown.ended)++;
    if (count == snapshot.processes.size()) snapshot.processes.emplace_back();
    show_process(*process, snapshot.taken_ns, snapshot.processes[count++]);
  }
  snapshot.processes.resize(count);
  snapshot.losses = sources_.losses();
  return snapshot;
}

std::optional<std::vector<HistoryColumn>> LoopMonitor::history(uint64_t id) {
  std::lock_guard lock(mutex_);
  const TrackedLoop* loop = processes_.find_loop(id);
  if (!loop) return std::nullopt;
  return loop->history.columns();
}

uint64_t LoopMonitor::tick(uint64_t now_ns) {
  std::lock_guard lock(mutex_);
  // With the window that is the default, both are due at the same instants.
  const uint64_t due_ns = std::min(next_tick_ns_, next_column_ns_);
  if (now_ns < due_ns && !on_stall_) {
    sources_.poll(now_ns, SourcePoller::Depth::kRefresh);
  } else {
    const bool tick_due = now_ns >= due_ns && next_tick_ns_ == due_ns;
    const bool column_due = now_ns >= due_ns && next_column_ns_ == due_ns;
    if (tick_due) next_tick_ns_ += window_ns_ / LatencyWindow::kTicks;
    if (column_due) next_column_ns_ += LoopHistory::kColumn_ns;
    const auto unix_s = static_cast<uint32_t>(time(nullptr));
    for (TrackedProcess* process : poll(now_ns, Purpose::kTick)) {
      for (const LoopSample& sample : process->source->samples()) {
        TrackedLoop& loop = process->loops.at(sample.ordinal);
        if (on_stall_) {
          LoopFigures figures;
          show_figures(*process, loop, sample, now_ns, false, figures);
          tell_of_stalls(*process, loop, sample, figures);
        }
        if (tick_due) loop.window.tick(sample);
        if (column_due) loop.history.tick(sample, unix_s);
      }
    }
  }
  return std::min({next_tick_ns_, next_column_ns_, now_ns + kPollInterval_ns});
}

}  // namespace looptap
