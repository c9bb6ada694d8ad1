// What the flags --bpf.* say.
//
// Thread-safety: plain values. Errors: std::invalid_argument from what parses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace looptap {

/// Where the programs learn of waits.
enum class BpfHook { kAuto, kFentry, kTracepoint, kUprobe };
const char* name_of(BpfHook hook);

/// \throws std::invalid_argument with one clear line.
BpfHook parse_bpf_hook(const std::string& text);

/// Which processes are measured.
struct BpfTargets {
  std::vector<uint32_t> pids;
  std::vector<std::string> names;    ///< comms, at most 15 bytes each
  std::vector<std::string> cgroups;  ///< directories of any hierarchy, or paths within them
  bool all = false;

  bool empty() const { return pids.empty() && names.empty() && cgroups.empty() && !all; }
};

/// \param texts each pid:N (or several numbers, separated by commas or blanks), comm:NAME, cgroup:PATH or all; behind a pid:N a bare
/// number is one more.
/// \throws std::invalid_argument with one clear line.
BpfTargets parse_bpf_targets(const std::vector<std::string>& texts);

struct BpfOptions {
  BpfTargets targets;  ///< empty: no BPF at all
  BpfHook hook = BpfHook::kAuto;
  uint32_t max_loops = 0;
  bool event_queue = false;        ///< where the hook allows, for how long events wait, too
  bool include_preloaded = false;  ///< also processes whose segment is where this exporter does not look
};

}  // namespace looptap
