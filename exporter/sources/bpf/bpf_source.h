// The loops that the BPF programs measure.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "exporter/sources/bpf/bpf_programs.h"
#include "exporter/sources/loop_source.h"

namespace looptap {

class BpfSource : public LoopSource {
 public:
  /// The live processes whose segment is in the directory that this exporter reads, as of the present refresh: the
  /// probe measures them, and eBPF must not do it again. A segment elsewhere is found by what the process maps.
  using PreloadedProcesses = std::function<std::vector<ProcessIdentity>()>;

  /// Attaches. Of several sources it has to be refreshed after the one that `preloaded` asks.
  /// \throws std::runtime_error with one clear line.
  BpfSource(const BpfOptions& options, uint64_t linger_ns, PreloadedProcesses preloaded);
  ~BpfSource() override;

  BpfHook hook() const { return programs_.hook(); }

  const char* name() const override { return "bpf"; }
  void refresh(uint64_t now_ns) override;
  void read(uint64_t now_ns) override;
  std::vector<const SourceProcess*> processes() const override;
  SourceLosses losses() const override;

 private:
  class Process;

  /// Whether it maps a segment now, which is none that `preloaded_` tells. Says so once for each of its loops.
  bool maps_segment(const looptap_process& process, const ProcessIdentity& identity);
  void exclude(const looptap_process& process, const std::string& what_counts);
  void follow(const looptap_process& process, uint64_t now_ns);
  void forget_the_dead(uint64_t now_ns);
  void forget(uint64_t generation);

  BpfPrograms programs_;
  const BpfOptions options_;
  const uint64_t linger_ns_;
  const PreloadedProcesses preloaded_;
  uint64_t reaped_ns_ = 0;
  std::map<uint64_t, std::unique_ptr<Process>> processes_;  // by generation
  uint64_t forgotten_inconsistent_reads_ = 0;
  uint64_t preloaded_elsewhere_ = 0;
};

}  // namespace looptap
