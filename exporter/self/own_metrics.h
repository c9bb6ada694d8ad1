// What the exporter counts of its own work: metrics `looptap_*` that are born of events which this process sees.
//
// A counter stands here if the event happens in this process and would be forgotten if nobody counted it then. What
// somebody else counts (dropped loops: the segments' and the BPF programs' own fields) or what is a state (processes
// shown, segments that cannot be removed) is read anew at each scrape, by exporter/metrics: a second count could
// only differ from the first.
//
// One set for the whole process, as Prometheus' client libraries have it: a parameter in every constructor, down to
// the reader of a slot, would buy no more than counts that begin at 0 in each test. Tests compare before and after.
//
// Whoever counts takes its handle when it is made, not at the first event: the series is there from then on, at 0, and
// rate() and increase() see the first event.
//
// Thread-safe. Errors: std::bad_alloc alone. Units: base units, as in the names.
#pragma once

#include <cstdint>
#include <string_view>

namespace prometheus {
class Counter;
class Gauge;
}  // namespace prometheus

namespace looptap::self {

/// A series of a counter. Cheap to copy, valid for as long as the process lives.
class Counter {
 public:
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  void increment();  ///< an atomic addition: some 10 ns
  uint64_t value() const;

 private:
  prometheus::Counter* counter_;
};

/// A series of a gauge. Likewise.
class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  void set(double value);
  double value() const;

 private:
  prometheus::Gauge* gauge_;
};

// Each function finds its series, or makes it (a lock and a hash: some 300 ns).

/// looptap_errors_total: a part has failed, and cost only itself.
/// \param where the part, in a word that does not depend on input: "segments", "bpf", "scrape".
Counter errors(std::string_view where);

/// looptap_rejected_segments_total
Counter rejected_segments(std::string_view reason);

/// looptap_bpf_skipped_processes_total; no series, and no family, before it is first asked for.
Counter bpf_skipped_processes(std::string_view reason);

/// looptap_wrong_settings_total
Counter wrong_settings(std::string_view setting);

/// looptap_inconsistent_reads_total
Counter inconsistent_reads();

/// looptap_shortages_total: see shortage.h, which is what counts here.
Counter shortages(std::string_view of);

/// looptap_deaths_in_stall_total
Counter deaths_in_stall();

/// looptap_last_scrape_duration_seconds
Gauge last_scrape_duration();

}  // namespace looptap::self
