#include "exporter/cli/serve_command.h"

#include <csignal>
#include <cstdlib>

#include "exporter/base/log.h"
#include "exporter/cli/exporter.h"
#include "exporter/cli/probe_library.h"

namespace looptap {

int serve(const ServeOptions& options) {
  set_log_level(options.exporter.log_level);
  // Blocked before any thread starts, so that every thread has them blocked and sigwait gets them.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);

  // First, so that whoever finds us ready finds the library, too.
  if (!options.install_directory.empty())
    log(LogLevel::kInfo, "installed " + copy_probe_library(find_probe_library(), options.install_directory));

  Exporter exporter(options.exporter);
  int signal_number = 0;
  sigwait(&stop, &signal_number);

  // Whoever sends SIGTERM waits for us, and civetweb takes up to 3 s to end its threads. There is nothing to
  // save: the kernel closes what is open.
  std::_Exit(0);
}

}  // namespace looptap
