#include "exporter/sources/bpf/bpf_source.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "exporter/base/label_text.h"
#include "exporter/base/limited_log.h"
#include "exporter/base/log.h"
#include "exporter/sources/bpf/event_queue.h"
#include "exporter/sources/segment_name.h"
#include "preload/segment_layout.h"

namespace looptap {

namespace {

constexpr uint64_t kReapInterval_ns = 900'000'000;  // a little less than the second between two looks

uint64_t start_ticks(uint64_t start_boottime_ns) {
  static const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return start_boottime_ns / tick_ns;
}

ProcessIdentity identity_of(const looptap_process& process) {
  ProcessIdentity identity;
  identity.name = label_text(std::string_view(process.comm, strnlen(process.comm, sizeof process.comm)));
  identity.pid = process.pid;
  identity.pid_namespace = process.pid_namespace;
  identity.initial_pid = process.tgid;
  identity.start_ticks = start_ticks(process.start_boottime_ns);
  identity.created_ns = process.began_ns;
  return identity;
}

bool is_same_process(const ProcessIdentity& a, const ProcessIdentity& b) {
  return a.pid == b.pid && a.pid_namespace == b.pid_namespace && a.start_ticks == b.start_ticks;
}

}  // namespace

class BpfSource::Process : public SourceProcess {
 public:
  Process(ProcessIdentity who, uint32_t loops, const SlotMemory& memory)
      : SourceProcess(std::move(who)), reader(memory), loops_at_last_check(loops) {}
  const std::vector<LoopSample>& samples() const override { return reader.samples(); }

  SlotReader reader;
  uint32_t loops_at_last_check;  // how many it had begun when its mappings were looked at
};

BpfSource::BpfSource(const BpfOptions& options, uint64_t linger_ns, PreloadedProcesses preloaded)
    : programs_(options), options_(options), linger_ns_(linger_ns), preloaded_(std::move(preloaded)) {}

BpfSource::~BpfSource() = default;

void BpfSource::refresh(uint64_t now_ns) {
  if (now_ns >= reaped_ns_ + kReapInterval_ns) {
    reaped_ns_ = now_ns;
    // Where it fails, closed loops are shown for longer: no reason to show none.
    try {
      programs_.reap();
    } catch (const std::exception& error) {
      iterator_failed(error);
    }
  }
  const auto preloaded = preloaded_();
  for (const looptap_process& process : programs_.processes()) {
    // A probe makes its segment before its first wait. So who began before the segments were looked at, which was
    // after now_ns, and has none there, carries no probe.
    if (process.began_ns >= now_ns) continue;
    const ProcessIdentity identity = identity_of(process);
    const bool has_segment_here = !process.ended_ns && std::any_of(preloaded.begin(), preloaded.end(),
                                                                   [&](const ProcessIdentity& other) {
                                                                     return is_same_process(other, identity);
                                                                   });
    if (has_segment_here) {
      exclude(process, "its segment counts", now_ns);
    } else if (maps_segment(process, identity)) {
      exclude(process, "its segment, which is in another directory, counts", now_ns);
      preloaded_elsewhere_.increment();
    } else {
      follow(process, now_ns);
    }
  }
  forget_the_dead(now_ns);
  programs_.free_retired_slots(now_ns);
}

bool BpfSource::maps_segment(const looptap_process& process, const ProcessIdentity& identity) {
  if (process.ended_ns) return false;
  const auto& named = options_.targets.pids;
  if (options_.include_preloaded || std::find(named.begin(), named.end(), process.tgid) != named.end())
    return false;
  const auto known = processes_.find(process.generation);
  if (known != processes_.end()) {
    // One that waits in ways which the probe does not see may have a segment as late as with any loop of its.
    if (process.loops <= known->second->loops_at_last_check) return false;
    known->second->loops_at_last_check = process.loops;
  }
  std::vector<std::string> files;
  try {
    files = programs_.mapped_files(process.tgid);
  } catch (const std::exception& error) {
    iterator_failed(error);
  }
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& name) { return is_segment_name_of(identity, name); });
}

void BpfSource::iterator_failed(const std::exception& error) {
  iterator_errors_.increment();
  static LimitedLog failures(LogLevel::kWarn, "BPF iterators that fail");
  failures.write([&] { return std::string(error.what()); });
}

void BpfSource::exclude(const looptap_process& process, const std::string& what_counts, uint64_t now_ns) {
  const ProcessIdentity identity = identity_of(process);
  log(LogLevel::kDebug,
      identity.name + " (pid " + std::to_string(identity.pid) + ") is preloaded: " + what_counts);
  programs_.exclude(process, now_ns);  // first: where it throws, this is found again at the next look
  forget(process.generation);
}

void BpfSource::follow(const looptap_process& process, uint64_t now_ns) {
  auto place = processes_.find(process.generation);
  if (place == processes_.end())
    place = processes_
                .emplace(process.generation,
                         std::make_unique<Process>(identity_of(process), process.loops, programs_.slots()))
                .first;
  Process& known = *place->second;
  if (known.dead_since_ns) return;
  if (!process.ended_ns) {
    known.last_alive_ns = now_ns;
    return;
  }
  known.dead_since_ns = now_ns;
  // The end of a process that is killed comes when its memory is given back: what it was before was seen before.
  if (process.was_killed) {
    known.last_alive_ns = std::max(known.last_alive_ns, process.began_ns);
  } else {
    known.exited_ns = process.exiting_ns ? process.exiting_ns : process.ended_ns;
    known.last_alive_ns = known.exited_ns;
  }
}

void BpfSource::forget_the_dead(uint64_t now_ns) {
  std::vector<uint64_t> finished;
  for (const auto& [generation, process] : processes_) {
    if (!process->dead_since_ns) continue;
    // The same process after an exec, or its number given anew: what it was before makes room.
    const bool has_successor =
        std::any_of(processes_.upper_bound(generation), processes_.end(), [&](const auto& other) {
          const ProcessIdentity& now = other.second->identity;
          return now.name == process->identity.name && now.pid == process->identity.pid &&
                 now.pid_namespace == process->identity.pid_namespace;
        });
    if (has_successor || now_ns >= *process->dead_since_ns + linger_ns_) finished.push_back(generation);
  }
  for (const uint64_t generation : finished) {
    programs_.forget(generation);  // first, for the same reason
    forget(generation);
  }
}

void BpfSource::forget(uint64_t generation) {
  const auto process = processes_.find(generation);
  if (process == processes_.end()) return;
  processes_.erase(process);
}

void BpfSource::read(uint64_t now_ns) {
  const auto owners = programs_.owners();
  const SlotMemory* queues = programs_.event_queues();
  for (uint32_t slot = 0; slot < owners.size(); slot++) {
    const looptap_slot_owner& owner = owners[slot];
    const auto process =
        owner.generation && owner.number ? processes_.find(owner.generation) : processes_.end();
    if (process == processes_.end()) continue;
    Process& known = *process->second;
    known.reader.read(owner.number - 1, uint64_t{slot} * sizeof(looptap_loop), known.as_of(now_ns),
                      known.dead_since_ns.has_value());
    if (!queues || !owner.instance) continue;
    if (auto* queue = known.reader.event_queue(owner.number - 1)) read_event_queue(*queues, slot, *queue);
  }
}

std::vector<const SourceProcess*> BpfSource::processes() const {
  std::vector<const SourceProcess*> all;
  for (const auto& [generation, process] : processes_) all.push_back(process.get());
  return all;
}

SourceLosses BpfSource::losses() const {
  SourceLosses losses;
  losses.dropped_loops = programs_.dropped();
  return losses;
}

}  // namespace looptap
