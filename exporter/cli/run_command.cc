#include "exporter/cli/run_command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>

#include "exporter/base/log.h"
#include "exporter/cli/exporter.h"
#include "exporter/cli/loop_table.h"
#include "exporter/cli/preload_check.h"
#include "exporter/cli/probe_library.h"

extern char** environ;

namespace looptap {

namespace {

constexpr int kForwarded[] = {SIGTERM, SIGHUP, SIGINT};

/// A directory of our own that is gone when we are.
class PrivateDirectory {
 public:
  /// The first of the parents that lets us make one. \throws std::runtime_error
  PrivateDirectory(std::initializer_list<const char*> parents, mode_t mode) {
    for (const char* parent : parents) {
      path_ = std::string(parent) + "/looptap-run-XXXXXX";
      if (!mkdtemp(path_.data())) continue;
      chmod(path_.c_str(), mode);
      return;
    }
    throw std::runtime_error(std::string("cannot make a private directory: ") + strerror(errno));
  }
  ~PrivateDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Our environment with some variables replaced, for exec.
class Environment {
 public:
  void set(const std::string& name, const std::string& value) { changes_.push_back({name, value}); }

  std::vector<char*> pointers() {
    entries_.clear();
    for (char** entry = environ; *entry; entry++) {
      const std::string text = *entry;
      bool replaced = false;
      for (const auto& [name, value] : changes_) replaced |= text.starts_with(name + "=");
      if (!replaced) entries_.push_back(text);
    }
    for (const auto& [name, value] : changes_) entries_.push_back(name + "=" + value);
    std::vector<char*> result;
    for (std::string& entry : entries_) result.push_back(entry.data());
    result.push_back(nullptr);
    return result;
  }

 private:
  std::vector<std::pair<std::string, std::string>> changes_;
  std::vector<std::string> entries_;
};

/// Starts the command with the signal mask that we were started with. \return its pid, or -errno.
int start(const std::vector<std::string>& command, Environment& environment, const sigset_t& mask) {
  std::vector<std::string> arguments = command;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, argv[0], nullptr, &attributes, argv.data(), environment.pointers().data());
  posix_spawnattr_destroy(&attributes);
  return error ? -error : pid;
}

/// Waits for the command and passes on the signals that were sent to us alone.
/// \return its wait status.
int wait_and_forward(pid_t pid, int signals) {
  for (;;) {
    signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGCHLD) {
      int status = 0;
      if (waitpid(pid, &status, WNOHANG) == pid) return status;
    } else if (info.ssi_code <= 0) {
      // From a process. The terminal's own (a Ctrl-C, code SI_KERNEL) goes to the whole foreground group, and
      // so has reached the command already.
      kill(pid, static_cast<int>(info.ssi_signo));
    }
  }
}

}  // namespace

int run(const RunOptions& options) {
  set_log_level(options.exporter.log_level);
  // Blocked before any thread starts; the command gets the mask that we were started with.
  sigset_t ours, before;
  sigemptyset(&ours);
  for (const int number : kForwarded) sigaddset(&ours, number);
  sigaddset(&ours, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ours, &before);
  const int signals = signalfd(-1, &ours, SFD_CLOEXEC);
  if (signals < 0) throw std::runtime_error(std::string("cannot watch for signals: ") + strerror(errno));

  std::string library = find_probe_library();
  std::optional<PrivateDirectory> library_directory, segments_directory;
  if (!fits_in_preload(library)) {
    library_directory.emplace(std::initializer_list<const char*>{"/tmp", "/var/tmp", "/dev/shm"}, 0755);
    library = copy_probe_library(library, library_directory->path());
  }
  ExporterOptions exporter_options = options.exporter;
  std::string& directory = exporter_options.segments.directory;
  if (directory.empty()) {
    // Open to every user: the command may give up its own, and its workers make segments, too.
    segments_directory.emplace(std::initializer_list<const char*>{"/dev/shm", "/tmp"}, 01777);
    directory = segments_directory->path();
  }
  directory = std::filesystem::absolute(directory);

  const std::string program = find_command(options.command[0]);
  if (!program.empty())
    if (const std::string blocker = preload_blocker(program); !blocker.empty())
      log(LogLevel::kWarn, "it will not be measured: " + blocker);

  Exporter exporter(exporter_options);
  Environment environment;
  const char* present = getenv("LD_PRELOAD");
  environment.set("LD_PRELOAD", preload_with(present ? present : "", library));
  environment.set("LOOPTAP_DIR", directory);

  const int pid = start(options.command, environment, before);
  int exit_status;
  if (pid < 0) {
    // A directory on PATH that may not be searched makes execvp say EACCES for what is nowhere.
    const bool nowhere = program.empty() && options.command[0].find('/') == std::string::npos;
    const int error = nowhere ? ENOENT : -pid;
    log(LogLevel::kError, "cannot run " + options.command[0] + ": " + strerror(error));
    exit_status = error == ENOENT ? 127 : 126;
  } else {
    const int status = wait_and_forward(pid, signals);
    exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    const std::string text = loop_table(exporter.monitor().snapshot());
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  }
  library_directory.reset();
  segments_directory.reset();
  std::_Exit(exit_status);  // see serve_command.cc
}

}  // namespace looptap
