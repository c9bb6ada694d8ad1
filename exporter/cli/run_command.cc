#include "exporter/cli/run_command.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "exporter/base/log.h"
#include "exporter/cli/exporter.h"
#include "exporter/cli/loop_table.h"
#include "exporter/cli/preload_check.h"
#include "exporter/cli/probe_library.h"
#include "exporter/launch/abandoned_directories.h"
#include "exporter/launch/given_attributes.h"
#include "exporter/launch/given_descriptors.h"
#include "exporter/launch/held_program.h"
#include "exporter/launch/private_directory.h"
#include "exporter/launch/program_watch.h"

namespace looptap {

namespace {

const std::vector<std::string> kForLibraries = {"/tmp", "/var/tmp", "/dev/shm"};
const std::vector<std::string> kForSegments = {"/dev/shm", "/tmp"};

/// Says why the command could not be executed. \return the exit status, as shells have it.
int report_failure(int error, const std::string& command, bool found) {
  // A directory on PATH that may not be searched makes execvp say EACCES for what is nowhere.
  if (!found && command.find('/') == std::string::npos) error = ENOENT;
  log(LogLevel::kError, "cannot run " + command + ": " + strerror(error));
  return error == ENOENT ? 127 : 126;
}

/// What goes wrong here must not change how the program has ended.
void print_table(LoopMonitor& monitor) noexcept {
  try {
    const std::string text = loop_table(monitor.snapshot());
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  } catch (...) {
    // There is nobody to tell who has not been told already.
  }
}

}  // namespace

int run(const RunOptions& options) {
  set_log_level(options.exporter.log_level);
  const GivenDescriptors descriptors;
  const GivenAttributes attributes;

  remove_abandoned_directories(kForLibraries);
  std::string library = find_probe_library();
  std::optional<PrivateDirectory> library_directory, segments_directory;
  if (!fits_in_preload(library)) {
    library_directory.emplace(kForLibraries, 0755);
    library = copy_probe_library(library, library_directory->path());
  }
  ExporterOptions exporter_options = options.exporter;
  std::string& directory = exporter_options.segments.directory;
  if (directory.empty()) {
    // Open to every user: the command may give up its own, and its workers make segments, too.
    segments_directory.emplace(kForSegments, 01777);
    directory = segments_directory->path();
  }
  directory = std::filesystem::absolute(directory);

  ProgramEnvironment environment;
  const char* present = getenv("LD_PRELOAD");
  environment.set("LD_PRELOAD", preload_with(present ? present : "", library));
  environment.set("LOOPTAP_DIR", directory);
  HeldProgram program(options.command, environment, attributes);
  descriptors.leave_to_program();
  ProgramWatch watch(program.pid());

  const std::string file = find_command(options.command[0]);
  if (!file.empty())
    if (const std::string blocker = preload_blocker(file); !blocker.empty())
      log(LogLevel::kWarn, "it will not be measured: " + blocker);

  Exporter exporter(exporter_options);
  program.release();
  ProgramEnd end = watch.wait();
  if (const int error = program.failure())
    end = {false, report_failure(error, options.command[0], !file.empty())};
  else
    print_table(exporter.monitor());
  library_directory.reset();
  segments_directory.reset();
  end_likewise(end);  // without destructors: see serve_command.cc
}

}  // namespace looptap
