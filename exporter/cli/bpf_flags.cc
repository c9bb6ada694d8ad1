#include "exporter/cli/bpf_flags.h"

#include <stdexcept>

#include "bpf/records.h"
#include "exporter/cli/flag_values.h"

namespace looptap {

namespace {

const std::string kDefaultHook = "auto";

}  // namespace

BpfFlags::BpfFlags() : hook_(kDefaultHook), max_loops_(std::to_string(LOOPTAP_BPF_DEFAULT_LOOPS)) {}

void BpfFlags::declare(FlagSet& set) {
  set.add_words(
      "--bpf.target", targets_, "TARGET",
      "measure running processes with eBPF: pid:N (or several: pid:1,2), comm:NAME, cgroup:PATH or all; "
      "repeatable");
  set.add("--bpf.hook", hook_, "HOOK",
          "where eBPF learns of waits: fentry, tracepoint, uprobe; auto: the first of these two that works");
  set.add("--bpf.max-loops", max_loops_, "NUMBER", "how many loops eBPF measures at once, in 22 KB each");
  set.add(
      "--bpf.event-queue", event_queue_,
      "measure also how long events are ready before a wait returns them; takes fentry, and 8 KB for each "
      "loop");
  set.add("--bpf.include-preloaded", include_preloaded_,
          "measure with eBPF also preloaded processes, unless their segments are seen here");
}

BpfOptions BpfFlags::check() const {
  BpfOptions options;
  options.targets = parse_bpf_targets(targets_);
  options.hook = parse_bpf_hook(hook_);
  options.max_loops = parse_number("--bpf.max-loops", max_loops_, LOOPTAP_BPF_MOST_LOOPS);
  options.event_queue = event_queue_;
  options.include_preloaded = include_preloaded_;
  if (targets_.empty())
    for (const auto& [flag, given] : {std::pair("--bpf.hook", hook_ != kDefaultHook),
                                      {"--bpf.max-loops", max_loops_ != BpfFlags().max_loops_},
                                      {"--bpf.event-queue", event_queue_},
                                      {"--bpf.include-preloaded", include_preloaded_}})
      if (given)
        throw std::invalid_argument(std::string(flag) +
                                    ": eBPF measures nothing without --bpf.target, such as --bpf.target=all");
  return options;
}

}  // namespace looptap
