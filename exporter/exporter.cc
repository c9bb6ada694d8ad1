#include "exporter/exporter.h"

#include "exporter/log.h"
#include "exporter/site.h"

namespace looptap {

Exporter::Exporter(const ExporterOptions& options)
    : monitor_(
          {options.segments_directory, options.linger_ns, options.window_ns, options.stall_threshold_ns}),
      collector_(monitor_, {options.quantiles, options.latency_bounds_ns, options.stall_threshold_ns,
                            options.aggregate_processes}),
      server_(options.listen_addresses, options.max_connections,
              make_site(collector_, monitor_, {options.window_ns, options.stall_threshold_ns},
                        options.telemetry_path)) {
  for (const std::string& address : server_.reachable_at())
    log(LogLevel::kInfo, "metrics on http://" + address + options.telemetry_path);
}

}  // namespace looptap
