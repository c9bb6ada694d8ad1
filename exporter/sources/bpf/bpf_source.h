// The loops that the BPF programs measure.
//
// Thread-safety: none; the caller makes one call at a time. Errors: the constructor throws; later on a failing look at
// processes is counted in looptap_errors_total{where="bpf_iterator"} and costs nothing else. Units: nanoseconds of
// CLOCK_MONOTONIC.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "exporter/self/own_metrics.h"
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
  /// A look at processes did not work: counted, logged, and tried again when it is next due.
  void iterator_failed(const std::exception& error);
  void exclude(const looptap_process& process, const std::string& what_counts, uint64_t now_ns);
  void follow(const looptap_process& process, uint64_t now_ns);
  void forget_the_dead(uint64_t now_ns);
  void forget(uint64_t generation);

  BpfPrograms programs_;
  const BpfOptions options_;
  const uint64_t linger_ns_;
  const PreloadedProcesses preloaded_;
  self::Counter iterator_errors_ = self::errors("bpf_iterator");
  uint64_t reaped_ns_ = 0;
  std::map<uint64_t, std::unique_ptr<Process>> processes_;  // by generation
  self::Counter preloaded_elsewhere_ = self::bpf_skipped_processes("preloaded_elsewhere");
};

}  // namespace looptap
