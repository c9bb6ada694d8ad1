// looptap: event-loop latency of unmodified programs, for Prometheus.

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "exporter/base/log.h"
#include "exporter/cli/command_parser.h"
#include "exporter/cli/inject_command.h"
#include "exporter/cli/install_command.h"
#include "exporter/cli/run_command.h"
#include "exporter/cli/serve_command.h"
#include "exporter/launch/given_descriptors.h"

namespace {

using namespace looptap;

constexpr int kUsage = 2;

/// Every command: its name, its arguments, what it is for; the class of its flags, and the function that does it.
std::vector<Command> commands() {
  return {
      command<RunFlags>("run", "[flags] -- COMMAND [ARG...]",
                        "start COMMAND with the probe, and the exporter beside it", run),
      command<ServeFlags>("serve", "[flags]", "the exporter: serves what the probes have measured", serve),
      command<InstallFlags>("install", "DIR", "put liblooptap.so into DIR", install),
      command<InjectFlags>("inject", "[flags] -f MANIFEST",
                           "add looptap to the pods of a Kubernetes manifest", inject),
  };
}

/// Where the flags are told: "looptap run --help".
std::string help_for(int argc, char** argv) {
  for (const Command& command : commands())
    if (argc > 1 && command.name == argv[1]) return "looptap " + command.name + " --help";
  return "looptap --help";
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  // One heap, or each thread that ever served a scrape would keep one of its own (tried: 540 MiB for 1,000 loops).
  mallopt(M_ARENA_MAX, 1);
  // Bodies and vectors come from it, too, and what a scrape needed stays for the next one.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  try {
    const Request request = parse_command_line(commands(), argc, argv);
    if (request.run) return request.run();
    fputs(request.text.c_str(), stdout);
    return request.status;
  } catch (const std::invalid_argument& error) {
    log(LogLevel::kError, error.what() + (" (see " + help_for(argc, argv) + ")"));
    return kUsage;
  } catch (const std::system_error& error) {
    // What std::thread throws does not say what it is about.
    const bool thread = error.code() == std::errc::resource_unavailable_try_again;
    log(LogLevel::kError,
        (thread ? "cannot start a thread (ulimit -u, pids.max): " : "") + std::string(error.what()));
    return kUsage;
  } catch (const std::exception& error) {
    log(LogLevel::kError, error.what());
    return kUsage;
  }
}
