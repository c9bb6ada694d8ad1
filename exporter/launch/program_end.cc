#include "exporter/launch/program_end.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace looptap {

namespace {

/// As the kernel has it; all zero is SIG_DFL. libc's sigaction() refuses the two signals that it keeps for itself, and has a
/// handler for one of them as soon as there are threads.
struct KernelDisposition {
  unsigned long words[8] = {};
};

constexpr size_t kMaskSize = 8;

}  // namespace

void suffer(int number) noexcept {
  const KernelDisposition by_default;
  KernelDisposition before;
  sigset_t one, mask;
  sigemptyset(&one);
  sigaddset(&one, number);
  syscall(SYS_rt_sigaction, number, &by_default, &before, kMaskSize);
  kill(getpid(), number);
  sigprocmask(SIG_UNBLOCK, &one, &mask);  // now
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  syscall(SYS_rt_sigaction, number, &before, nullptr, kMaskSize);
}

void end_likewise(const ProgramEnd& end) noexcept {
  if (!end.by_signal) _exit(end.number);
  prctl(PR_SET_DUMPABLE, 0);  // RLIMIT_CORE would not keep a core_pattern that is a pipe from having one
  suffer(end.number);
  _exit(128 + end.number);
}

}  // namespace looptap
