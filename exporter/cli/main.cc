// looptap: event-loop latency of unmodified programs, for Prometheus.

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "exporter/base/log.h"
#include "exporter/cli/command_line.h"
#include "exporter/cli/inject_command.h"
#include "exporter/cli/probe_library.h"
#include "exporter/cli/run_command.h"
#include "exporter/cli/serve_command.h"

namespace {

using namespace looptap;

constexpr int kUsage = 2;

struct Execute {
  int operator()(const ServeCommand& command) const { return serve(command); }
  int operator()(const RunCommand& command) const { return run(command); }
  int operator()(const InstallCommand& command) const {
    const std::string path = copy_probe_library(find_probe_library(), command.directory);
    log(LogLevel::kInfo, "installed " + path);
    return EXIT_SUCCESS;
  }
  int operator()(const InjectCommand& command) const { return inject(command); }
  int operator()(const Print& print) const {
    fputs(print.text.c_str(), stdout);
    return EXIT_SUCCESS;
  }
};

}  // namespace

int main(int argc, char** argv) {
  // One heap, or each thread that ever served a scrape would keep one of its own (tried: 540 MiB for 1,000 loops).
  mallopt(M_ARENA_MAX, 1);
  // Bodies and vectors come from it, too, and what a scrape needed stays for the next one.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  try {
    return std::visit(Execute(), parse_command_line(argc, argv));
  } catch (const std::invalid_argument& error) {
    log(LogLevel::kError, std::string(error.what()) + " (see looptap --help)");
    return kUsage;
  } catch (const std::exception& error) {
    log(LogLevel::kError, error.what());
    return kUsage;
  }
}
