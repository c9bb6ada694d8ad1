#include "exporter/launch/held_program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace looptap {

namespace {

std::runtime_error no_process(int error) {
  return std::runtime_error(std::string("cannot start a process: ") + strerror(error));
}

/// Both of its ends are given up by exec.
struct Pipe {
  Descriptor read_end{-1}, write_end{-1};

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) throw no_process(errno);
    read_end = Descriptor(ends[0]);
    write_end = Descriptor(ends[1]);
  }
};

/// The child, from the fork to exec. Allocates nothing and throws nothing.
[[noreturn]] void become(char* const* argv, char* const* environment, const GivenAttributes& attributes,
                         int go, int failure) noexcept {
  char byte;
  ssize_t got;
  while ((got = read(go, &byte, 1)) < 0 && errno == EINTR) continue;
  if (got != 1) _exit(0);
  attributes.give();
  execvpe(argv[0], argv, environment);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(failure, &error, sizeof error);
  _exit(127);
}

}  // namespace

HeldProgram::HeldProgram(const std::vector<std::string>& command, ProgramEnvironment& environment,
                         const GivenAttributes& attributes) {
  std::vector<std::string> arguments = command;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  char* const* const variables = environment.pointers();

  Pipe go, failure;
  pid_ = fork();
  if (pid_ < 0) throw no_process(errno);
  if (pid_ == 0) {
    environment.hand_over_to(getpid());
    close(go.write_end.release());  // or its end would never be seen
    become(argv.data(), variables, attributes, go.read_end.get(), failure.write_end.get());
  }
  go_ = std::move(go.write_end);
  failure_ = std::move(failure.read_end);
}

HeldProgram::~HeldProgram() {
  if (!go_.is_open()) return;
  kill(pid_, SIGKILL);  // it may be stopped
  waitpid(pid_, nullptr, 0);
}

void HeldProgram::release() {
  [[maybe_unused]] const ssize_t written = write(go_.get(), "", 1);
  go_ = Descriptor(-1);
}

int HeldProgram::failure() const {
  int error = 0;
  return read(failure_.get(), &error, sizeof error) == sizeof error ? error : 0;
}

}  // namespace looptap
