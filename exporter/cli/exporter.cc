#include "exporter/cli/exporter.h"

#include <sys/resource.h>

#include <utility>

#include "exporter/base/capabilities.h"
#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/sources/bpf/bpf_requirements.h"
#include "exporter/sources/bpf/bpf_source.h"
#include "exporter/sources/segments/segment_source.h"
#include "exporter/web/routes.h"

namespace looptap {

namespace {

/// What serving takes: a port below 1024, /proc of other users' processes, and their segments, also to remove them. What
/// BPF took beside that is given up, before there is another thread.
void give_up_privileges() {
  const int bpf = reading_maps_takes_privilege() ? CAP_BPF : CAP_SYS_PTRACE;
  keep_only_capabilities(
      {CAP_NET_BIND_SERVICE, CAP_SYS_PTRACE, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, bpf});
}

/// A descriptor for each segment and each connection, and more than the usual 1,024 of them may be wanted. What `looptap run`
/// starts has been forked before.
void raise_descriptor_limit() {
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors)) return;
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
}

}  // namespace

Exporter::Sources Exporter::make_sources(const ExporterOptions& options) {
  raise_descriptor_limit();
  Sources sources;
  auto segments = std::make_unique<SegmentSource>(options.segments.directory, options.segments.linger_ns,
                                                  options.segments.max_loops);
  SegmentSource& preloaded = *segments;
  sources.all.push_back(std::move(segments));
  if (!options.bpf.targets.empty()) {
    auto preloaded_processes = [&preloaded] {
      std::vector<ProcessIdentity> alive;
      for (const SourceProcess* process : preloaded.processes())
        if (!process->dead_since_ns) alive.push_back(process->identity);
      return alive;
    };
    auto programs =
        std::make_unique<BpfSource>(options.bpf, options.segments.linger_ns, std::move(preloaded_processes));
    sources.bpf_hook = name_of(programs->hook());
    sources.all.push_back(std::move(programs));
    give_up_privileges();
  }
  return sources;
}

Exporter::Exporter(const ExporterOptions& options) : Exporter(options, make_sources(options)) {}

Exporter::Exporter(const ExporterOptions& options, Sources sources)
    : monitor_(std::move(sources.all), {options.latency.window_ns,
                                        options.latency.stall_threshold_ns,
                                        options.latency.quantiles,
                                        options.metrics.aggregate_processes,
                                        {}}),
      thread_([this](uint64_t now_ns) { return monitor_.tick(now_ns); }),
      collector_(monitor_, {options.latency.bounds_ns, options.metrics.aggregate_processes,
                            std::move(sources.bpf_hook)}),
      server_(options.web.listen_addresses, options.web.max_connections,
              make_routes(
                  collector_, monitor_, [this] { return thread_.is_alive(monotonic_now_ns()); },
                  options.web.telemetry_path)) {
  for (const std::string& address : server_.reachable_at())
    log(LogLevel::kInfo, "metrics on http://" + address + options.web.telemetry_path +
                             " and a page on http://" + address + "/");
}

}  // namespace looptap
