// The program's process: forked at once, while this process is still what it was started as, and held until looptap serves.
// Nothing that looptap does to itself afterwards (threads, dispositions of signals, limits, descriptors) reaches the program.
//
// posix_spawn would be too late (civetweb's threads ignore SIGPIPE, and it cannot put that back for what was not ignored
// before), and it knows nothing of timers or of the parent's death.
//
// Thread-safety: none; make it in a process without threads. Errors: std::runtime_error from the constructor.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "exporter/base/descriptor.h"
#include "exporter/launch/given_attributes.h"
#include "exporter/launch/program_environment.h"

namespace looptap {

class HeldProgram {
 public:
  /// \param command its name, looked for on PATH, and its arguments.
  HeldProgram(const std::vector<std::string>& command, ProgramEnvironment& environment,
              const GivenAttributes& attributes);
  /// A program that was not released never runs.
  ~HeldProgram();
  HeldProgram(const HeldProgram&) = delete;
  HeldProgram& operator=(const HeldProgram&) = delete;

  pid_t pid() const { return pid_; }

  /// Lets it execute the command.
  void release();

  /// After its end: why the command could not be executed, an errno; 0: it was.
  int failure() const;

 private:
  pid_t pid_ = 0;
  Descriptor go_{-1};       // a byte: go. Its end without one: do not
  Descriptor failure_{-1};  // the errno of exec
};

}  // namespace looptap
