#include "exporter/sources/bpf/bpf_options.h"

#include <charconv>
#include <stdexcept>

namespace looptap {

namespace {

constexpr size_t kLongestComm = 15;
constexpr uint32_t kMostPids = 1u << 22;  // PID_MAX_LIMIT
constexpr size_t kMostOfAKind = 64;       // as the maps hold (bpf/maps.h)

constexpr const char* kBlanks = ", \t\n";  // as pidof, pgrep and people separate numbers

uint32_t parse_pid(const std::string& text, const std::string& number) {
  uint32_t pid = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), pid);
  if (number.empty() || error != std::errc() || end != number.data() + number.size() || pid == 0 ||
      pid > kMostPids)
    throw std::invalid_argument("--bpf.target: \"" + text +
                                "\" names no process: pid:N, or pid:N,N, with positive numbers");
  return pid;
}

/// The numbers of a text, and at least one.
void add_pids(const std::string& text, const std::string& numbers, std::vector<uint32_t>& pids) {
  size_t begin = numbers.find_first_not_of(kBlanks);
  if (begin == std::string::npos) parse_pid(text, "");
  while (begin != std::string::npos) {
    const size_t end = numbers.find_first_of(kBlanks, begin);
    pids.push_back(parse_pid(text, numbers.substr(begin, end - begin)));
    begin = numbers.find_first_not_of(kBlanks, end);
  }
}

}  // namespace

const char* name_of(BpfHook hook) {
  switch (hook) {
    case BpfHook::kAuto:
      return "auto";
    case BpfHook::kFentry:
      return "fentry";
    case BpfHook::kTracepoint:
      return "tracepoint";
    case BpfHook::kUprobe:
      return "uprobe";
  }
  return "unknown";
}

BpfHook parse_bpf_hook(const std::string& text) {
  for (const BpfHook hook : {BpfHook::kAuto, BpfHook::kFentry, BpfHook::kTracepoint, BpfHook::kUprobe})
    if (text == name_of(hook)) return hook;
  throw std::invalid_argument("--bpf.hook: \"" + text + "\" is not auto, fentry, tracepoint or uprobe");
}

BpfTargets parse_bpf_targets(const std::vector<std::string>& texts) {
  BpfTargets targets;
  bool after_pid = false;
  for (const std::string& text : texts) {
    // The shell makes two words of pid:$(pidof NAME) where there are two of them.
    if (after_pid && text.find_first_not_of("0123456789") == std::string::npos) {
      add_pids(text, text, targets.pids);
      continue;
    }
    const auto colon = text.find(':');
    const std::string kind = text.substr(0, colon);
    const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
    after_pid = kind == "pid";
    if (text == "all") {
      targets.all = true;
    } else if (kind == "pid") {
      add_pids(text, rest, targets.pids);
    } else if (kind == "comm" && !rest.empty()) {
      if (rest.size() > kLongestComm)
        throw std::invalid_argument("--bpf.target: \"" + text +
                                    "\" fits no process: the kernel keeps 15 bytes of a name");
      targets.names.push_back(rest);
    } else if (kind == "cgroup" && !rest.empty()) {
      targets.cgroups.push_back(rest);
    } else {
      throw std::invalid_argument("--bpf.target: \"" + text +
                                  "\" is not pid:N, comm:NAME, cgroup:PATH or all");
    }
  }
  if (targets.pids.size() > kMostOfAKind || targets.names.size() > kMostOfAKind ||
      targets.cgroups.size() > kMostOfAKind)
    throw std::invalid_argument("--bpf.target: more than 64 of one kind");
  return targets;
}

}  // namespace looptap
