#include "exporter/launch/given_attributes.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace looptap {

namespace {

constexpr uint64_t kResetOnFork = 1;  // SCHED_FLAG_RESET_ON_FORK

}  // namespace

GivenAttributes::GivenAttributes() : taker_(getpid()) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &mask_);
  prctl(PR_GET_PDEATHSIG, &parent_death_signal_);
  prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper_);
  // A child's default is what its parent has at the fork: so the default is put in force until then.
  timer_slack_ns_ = prctl(PR_GET_TIMERSLACK);
  prctl(PR_SET_TIMERSLACK, 0);
  const itimerval off{};
  for (int kind = ITIMER_REAL; kind <= ITIMER_PROF; kind++)
    setitimer(static_cast<__itimer_which_t>(kind), &off, &timers_[static_cast<size_t>(kind)]);
  if (syscall(SYS_sched_getattr, 0, &scheduling_, sizeof scheduling_, 0) == 0)
    is_reset_by_fork_ = scheduling_.flags & kResetOnFork;
}

void GivenAttributes::give() const noexcept {
  if (is_reset_by_fork_) syscall(SYS_sched_setattr, 0, &scheduling_, 0);
  for (int kind = ITIMER_REAL; kind <= ITIMER_PROF; kind++) {
    const itimerval& timer = timers_[static_cast<size_t>(kind)];
    if (timerisset(&timer.it_value)) setitimer(static_cast<__itimer_which_t>(kind), &timer, nullptr);
  }
  if (timer_slack_ns_ > 0) prctl(PR_SET_TIMERSLACK, timer_slack_ns_);
  if (is_subreaper_) prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (parent_death_signal_) {
    prctl(PR_SET_PDEATHSIG, parent_death_signal_);
    if (getppid() != taker_) raise(parent_death_signal_);  // it died before
  }
  sigprocmask(SIG_SETMASK, &mask_, nullptr);
}

}  // namespace looptap
