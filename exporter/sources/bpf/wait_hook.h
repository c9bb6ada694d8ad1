// Where the BPF programs learn that a thread enters a wait, or leaves one: one file a hook.
//
// Thread-safety: none. Errors: BpfRefused where the kernel refuses; std::runtime_error with one clear line for what no
// other hook would mend.
#pragma once

#include <memory>
#include <string_view>

#include "exporter/sources/bpf/bpf_attacher.h"
#include "exporter/sources/bpf/bpf_options.h"

namespace looptap {

class WaitHook {
 public:
  virtual ~WaitHook() = default;

  /// Whether the program is one of this hook's: it is then loaded.
  virtual bool uses(std::string_view program, std::string_view section) const = 0;

  /// Attaches them.
  virtual void attach(BpfAttacher& attacher) const = 0;
};

std::unique_ptr<WaitHook> make_fentry_hook(bool with_event_queues);
std::unique_ptr<WaitHook> make_tracepoint_hook();
std::unique_ptr<WaitHook> make_uprobe_hook(const BpfTargets& targets);

}  // namespace looptap
