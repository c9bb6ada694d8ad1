#include "exporter/exporter.h"

#include <memory>
#include <vector>

#include "exporter/log.h"
#include "exporter/segment_directory.h"
#include "exporter/site.h"

namespace looptap {

namespace {

std::vector<std::unique_ptr<LoopSource>> make_sources(const ExporterOptions& options) {
  std::vector<std::unique_ptr<LoopSource>> sources;
  sources.push_back(std::make_unique<SegmentDirectory>(options.segments_directory, options.linger_ns));
  return sources;
}

}  // namespace

Exporter::Exporter(const ExporterOptions& options)
    : monitor_(make_sources(options), {options.window_ns, options.stall_threshold_ns}),
      collector_(monitor_, {options.quantiles, options.latency_bounds_ns, options.stall_threshold_ns,
                            options.aggregate_processes}),
      server_(options.listen_addresses, options.max_connections,
              make_site(collector_, monitor_, {options.window_ns, options.stall_threshold_ns},
                        options.telemetry_path)) {
  for (const std::string& address : server_.reachable_at())
    log(LogLevel::kInfo, "metrics on http://" + address + options.telemetry_path);
}

}  // namespace looptap
