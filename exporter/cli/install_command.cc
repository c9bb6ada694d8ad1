#include "exporter/cli/install_command.h"

#include <cstdlib>

#include "exporter/base/log.h"
#include "exporter/cli/probe_library.h"

namespace looptap {

int install(const InstallOptions& options) {
  make_library_directory(options.directory);
  log(LogLevel::kInfo, "installed " + copy_probe_library(find_probe_library(), options.directory));
  return EXIT_SUCCESS;
}

}  // namespace looptap
