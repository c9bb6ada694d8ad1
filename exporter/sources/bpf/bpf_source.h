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
  /// Who carries the probe and has its segment where this exporter looks, as of the present refresh of everything: they
  /// are measured by it, and not twice. Who has it elsewhere is found by what it maps.
  using Carriers = std::function<std::vector<ProcessIdentity>()>;

  /// Attaches. Of several sources it has to be refreshed after the one that `carriers` asks.
  /// \throws std::runtime_error with one clear line.
  BpfSource(const BpfOptions& options, uint64_t linger_ns, Carriers carriers);
  ~BpfSource() override;

  BpfHook hook() const { return programs_.hook(); }

  void refresh(uint64_t now_ns) override;
  void read(uint64_t now_ns) override;
  std::vector<const SourceProcess*> processes() const override;
  SourceLosses losses() const override;

 private:
  class Process;

  /// Whether it maps a segment now, which is none that `carriers_` tells. Says so once for each of its loops.
  bool maps_segment(const looptap_process& process, const ProcessIdentity& identity);
  void exclude(const looptap_process& process, const std::string& what_counts);
  void follow(const looptap_process& process, uint64_t now_ns);
  void forget_the_dead(uint64_t now_ns);
  void forget(uint64_t life);

  BpfPrograms programs_;
  const BpfOptions options_;
  const uint64_t linger_ns_;
  const Carriers carriers_;
  uint64_t swept_ns_ = 0;
  std::map<uint64_t, std::unique_ptr<Process>> processes_;  // by life
  uint64_t forgotten_inconsistent_reads_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace looptap
