/* liblooptap.so: wraps the calls in which an event loop waits, and those which create and close epoll instances, and
 * records in the segment what they do.
 *
 * THE CHARTER. This code runs inside programs that we do not own. Everything in preload/ keeps to it:
 *   - The host comes first. Whatever fails, the host's call goes through as if there were no probe.
 *   - LOOPTAP_DISABLE=1 turns the probe off before it does anything else.
 *   - No allocation, no thread, no signal, no abort, no output (LOOPTAP_VERBOSE=1 aside). No lock that can block:
 *     only a first wait may wait for another thread's first wait, for some milliseconds at the most.
 *   - Everything is async-signal-safe, but for what runs once, in the constructor or at the first wait where none ran:
 *     dlsym() and pthread_key_create().
 *   - errno is the host's: our own system calls are raw ones, which do not set it.
 *   - The call goes to the *next* definition, so that cancellation and other preloads work; a raw system call only
 *     where there is none. No object with a destructor lives across it: a wait that is cancelled or left by longjmp
 *     does not return.
 *   - No argument is touched before the kernel has judged it: where a pointer gives EFAULT plainly, it does so here.
 *   - No libc is needed: no DT_NEEDED, every libc symbol weak. One library for glibc, musl and programs without libc.
 *   - A forked child starts anew and never writes into its parent's segment. A vfork child changes nothing.
 *   - Only reserved memory is written: a full file system or a file-size limit must not raise a signal.
 */
#include "preload/descriptors.h"
#include "preload/freestanding.h"
#include "preload/loop_state.h"
#include "preload/next_function.h"
#include "preload/poll_loop.h"
#include "preload/process.h"
#include "preload/thread.h"
#include "preload/timeouts.h"

struct epoll_event;
struct pollfd;
struct fd_set;
struct sigset;

extern "C" {
__attribute__((visibility("hidden"))) void* looptap_next_syscall;
__attribute__((visibility("hidden"))) void looptap_syscall_closes(int fd);
}

namespace {

using namespace looptap;

/* The wait that the calling thread is in. `process` is nullptr where it is not measured. */
struct Wait {
  Process* process;
  uint64_t nonce;  // the process' when the wait began
  uint32_t ordinal;
  uint32_t number;
};

__attribute__((always_inline)) inline void begin_wait(Wait& wait, int fd, int64_t timeout_ns) {
  wait.process = nullptr;
  Process* process = ready_process();
  if (__builtin_expect(!process, 0) && !(process = start_process())) return;
  if (__builtin_expect(static_cast<uint32_t>(fd) >= kDescriptors, 0)) {
    if (fd > 0 && !__atomic_exchange_n(&process->lost_high_descriptor, 1, __ATOMIC_RELAXED))
      looptap_fetch_add(&process->segment.header->loops_dropped, 1);
    return;
  }
  Thread& thread = this_thread(process);
  if (__builtin_expect(thread.poll_loop >= kFirstLoop, 0)) end_poll_loop(process, thread);
  // Pairs with claim_descriptor().
  uint16_t known = __atomic_load_n(&process->descriptors[fd], __ATOMIC_ACQUIRE);
  if (__builtin_expect(known < kFirstLoop, 0) && (known = claim_descriptor(process, fd)) < kFirstLoop) return;

  wait.ordinal = known - kFirstLoop;
  wait.number = looptap_enter(&process->segment.loops, &thread.state, wait.ordinal,
                              thread_now_ns(process, thread), timeout_ns);
  wait.process = process;
  wait.nonce = process->nonce;
}

/* A poll() or select(): a wait only with LOOPTAP_WAITS, and only of a thread that waits on no epoll instance. */
inline void begin_poll_wait(Wait& wait, uint32_t kind, uint64_t count, int64_t timeout_ns) {
  wait.process = nullptr;
  if (__builtin_expect(!is_wait_call(kind), 1) || count == 0) return;  // on no descriptor: a sleep
  Process* process = ready_process();
  if (!process && !(process = start_process())) return;
  Thread& thread = this_thread(process);
  if (!find_poll_loop(process, thread)) return;
  wait.ordinal = thread.poll_loop - kFirstLoop;
  wait.number = looptap_enter(&process->segment.loops, &thread.state, wait.ordinal,
                              thread_now_ns(process, thread), timeout_ns);
  wait.process = process;
  wait.nonce = process->nonce;
}

__attribute__((always_inline)) inline void end_wait(const Wait& wait, int64_t result) {
  if (!wait.process) return;
  Thread& thread = t_thread;
  // A signal handler may have forked during the wait. This is then the child: the nonce is 0, or a new one if the
  // handler has waited since.
  if (__builtin_expect(wait.nonce != wait.process->nonce, 0)) return;
  looptap_leave(&wait.process->segment.loops, &thread.state, wait.ordinal, wait.number,
                thread_now_ns(wait.process, thread), result);
}

/* Not inlined into the calls that are seldom measured: that would be 5 KB of code. */
__attribute__((noinline)) void end_poll_wait(const Wait& wait, int64_t result) { end_wait(wait, result); }

/* The end of a wait that began with timeout_before(). */
template <typename T>
__attribute__((noinline)) void end_timed_wait(const Wait& wait, int64_t result, const T* timeout) {
  if (!wait.process || wait.nonce != wait.process->nonce) return;  // as in end_wait()
  looptap_learn_timeout(&t_thread.state, wait.ordinal, wait.number, timeout_after(timeout, result));
  end_wait(wait, result);
}

constexpr long kSignalSetSize = 8;

/* glibc's loader passes these arguments; musl's passes none, but there `environ` exists. */
__attribute__((constructor)) void loaded(int, char**, char** environment_of_loader) {
  if (!&environ || !environ) g_loader_environment = environment_of_loader;
  const Settings* asked = settings();
  if (asked && !asked->disabled) {
    find_early_functions();
    make_key();
  }
}

__attribute__((destructor)) void unloaded() { note_exit(); }

}  // namespace

#define LOOPTAP_EXPORT extern "C" __attribute__((visibility("default")))

// Waits.

LOOPTAP_EXPORT int epoll_wait(int fd, epoll_event* events, int most, int timeout_ms) {
  auto function = next<int (*)(int, epoll_event*, int, int)>(kEpollWait);
  Wait wait;
  begin_wait(wait, fd, milliseconds_to_ns(timeout_ms));
  int result = function ? function(fd, events, most, timeout_ms)
                        : static_cast<int>(libc_result(sys::call(SYS_epoll_pwait, fd, sys::address(events),
                                                                 most, timeout_ms, 0, kSignalSetSize)));
  end_wait(wait, result);
  return result;
}

LOOPTAP_EXPORT int epoll_pwait(int fd, epoll_event* events, int most, int timeout_ms, const sigset* mask) {
  auto function = next<int (*)(int, epoll_event*, int, int, const sigset*)>(kEpollPwait);
  Wait wait;
  begin_wait(wait, fd, milliseconds_to_ns(timeout_ms));
  int result = function
                   ? function(fd, events, most, timeout_ms, mask)
                   : static_cast<int>(libc_result(sys::call(SYS_epoll_pwait, fd, sys::address(events), most,
                                                            timeout_ms, sys::address(mask), kSignalSetSize)));
  end_wait(wait, result);
  return result;
}

LOOPTAP_EXPORT int epoll_pwait2(int fd, epoll_event* events, int most, const timespec64* timeout,
                                const sigset* mask) {
  auto function = next<int (*)(int, epoll_event*, int, const timespec64*, const sigset*)>(kEpollPwait2);
  Wait wait;
  begin_wait(wait, fd, timeout_before(timeout));
  constexpr long kEpollPwait2Number = 441;  // newer than some headers
  int result = function ? function(fd, events, most, timeout, mask)
                        : static_cast<int>(libc_result(sys::call(kEpollPwait2Number, fd, sys::address(events),
                                                                 most, sys::address(timeout),
                                                                 sys::address(mask), kSignalSetSize)));
  end_timed_wait(wait, result, timeout);
  return result;
}

// poll() and select() as waits, with LOOPTAP_WAITS=poll,select.

namespace {

/* poll() and ppoll() where there is no next definition. The timeout is copied, as every libc does, which dies of a bad
 * pointer, too: the kernel writes the time that is left into it. */
int poll_without_libc(pollfd* set, unsigned long count, const timespec64* timeout, const sigset* mask) {
  timespec64 copy{};
  if (timeout) copy = *timeout;
  return static_cast<int>(
      libc_result(sys::call(SYS_ppoll, sys::address(set), static_cast<long>(count),
                            sys::address(timeout ? &copy : nullptr), sys::address(mask), kSignalSetSize)));
}

int select_without_libc(int count, fd_set* read, fd_set* write, fd_set* except, timespec64* timeout,
                        const sigset* mask) {
  struct {
    const sigset* mask;
    size_t size;
  } signals{mask, kSignalSetSize};
  return static_cast<int>(
      libc_result(sys::call(SYS_pselect6, count, sys::address(read), sys::address(write),
                            sys::address(except), sys::address(timeout), sys::address(&signals))));
}

int pselect_without_libc(int count, fd_set* read, fd_set* write, fd_set* except, const timespec64* timeout,
                         const sigset* mask) {
  timespec64 copy{};
  if (timeout) copy = *timeout;
  return select_without_libc(count, read, write, except, timeout ? &copy : nullptr, mask);
}

}  // namespace

LOOPTAP_EXPORT int poll(pollfd* set, unsigned long count, int timeout_ms) {
  auto function = next<int (*)(pollfd*, unsigned long, int)>(kPoll);
  Wait wait;
  begin_poll_wait(wait, kWaitsPoll, count, milliseconds_to_ns(timeout_ms));
  const timespec64 timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000000};
  int result = function ? function(set, count, timeout_ms)
                        : poll_without_libc(set, count, timeout_ms < 0 ? nullptr : &timeout, nullptr);
  end_poll_wait(wait, result);
  return result;
}

LOOPTAP_EXPORT int ppoll(pollfd* set, unsigned long count, const timespec64* timeout, const sigset* mask) {
  auto function = next<int (*)(pollfd*, unsigned long, const timespec64*, const sigset*)>(kPpoll);
  Wait wait;
  begin_poll_wait(wait, kWaitsPoll, count, timeout_before(timeout));
  int result = function ? function(set, count, timeout, mask) : poll_without_libc(set, count, timeout, mask);
  end_timed_wait(wait, result, timeout);
  return result;
}

/* The names that glibc's _FORTIFY_SOURCE calls. They must reach glibc's own: it aborts where `count` is more than fits
 * into `size` bytes. */
LOOPTAP_EXPORT int __poll_chk(pollfd* set, unsigned long count, int timeout_ms, size_t size) {
  auto function = next<int (*)(pollfd*, unsigned long, int, size_t)>(kPollChk);
  if (!function) return poll(set, count, timeout_ms);
  Wait wait;
  begin_poll_wait(wait, kWaitsPoll, count, milliseconds_to_ns(timeout_ms));
  int result = function(set, count, timeout_ms, size);
  end_poll_wait(wait, result);
  return result;
}

LOOPTAP_EXPORT int __ppoll_chk(pollfd* set, unsigned long count, const timespec64* timeout,
                               const sigset* mask, size_t size) {
  auto function = next<int (*)(pollfd*, unsigned long, const timespec64*, const sigset*, size_t)>(kPpollChk);
  if (!function) return ppoll(set, count, timeout, mask);
  Wait wait;
  begin_poll_wait(wait, kWaitsPoll, count, timeout_before(timeout));
  int result = function(set, count, timeout, mask, size);
  end_timed_wait(wait, result, timeout);
  return result;
}

LOOPTAP_EXPORT int select(int count, fd_set* read, fd_set* write, fd_set* except, timeval64* timeout) {
  auto function = next<int (*)(int, fd_set*, fd_set*, fd_set*, timeval64*)>(kSelect);
  Wait wait;
  begin_poll_wait(wait, kWaitsSelect, count > 0 ? static_cast<uint64_t>(count) : 0, timeout_before(timeout));
  int result;
  if (function) {
    result = function(count, read, write, except, timeout);
  } else {
    timespec64 left{};
    if (timeout) left = {timeout->seconds, timeout->microseconds * 1000};
    result = select_without_libc(count, read, write, except, timeout ? &left : nullptr, nullptr);
    if (timeout) *timeout = {left.seconds, left.nanoseconds / 1000};  // Linux returns the time left
  }
  end_timed_wait(wait, result, timeout);
  return result;
}

LOOPTAP_EXPORT int pselect(int count, fd_set* read, fd_set* write, fd_set* except, const timespec64* timeout,
                           const sigset* mask) {
  auto function = next<int (*)(int, fd_set*, fd_set*, fd_set*, const timespec64*, const sigset*)>(kPselect);
  Wait wait;
  begin_poll_wait(wait, kWaitsSelect, count > 0 ? static_cast<uint64_t>(count) : 0, timeout_before(timeout));
  int result = function ? function(count, read, write, except, timeout, mask)
                        : pselect_without_libc(count, read, write, except, timeout, mask);
  end_timed_wait(wait, result, timeout);
  return result;
}

// Calls that create epoll instances.

LOOPTAP_EXPORT int epoll_create(int size) {
  auto function = next<int (*)(int)>(kEpollCreate);
  int fd = function    ? function(size)
           : size <= 0 ? static_cast<int>(libc_result(-sys::kErrorInvalid))
                       : static_cast<int>(libc_result(sys::call(SYS_epoll_create1, 0)));
  descriptor_created(fd);
  return fd;
}

LOOPTAP_EXPORT int epoll_create1(int flags) {
  auto function = next<int (*)(int)>(kEpollCreate1);
  int fd = function ? function(flags) : static_cast<int>(libc_result(sys::call(SYS_epoll_create1, flags)));
  descriptor_created(fd);
  return fd;
}

// Calls that close descriptors.

LOOPTAP_EXPORT int close(int fd) {
  descriptor_closing(fd);
  auto function = known_next<int (*)(int)>(kClose);
  return function ? function(fd) : static_cast<int>(libc_result(sys::close(fd)));
}

LOOPTAP_EXPORT int close_range(unsigned first, unsigned last, int flags) {
  constexpr int kOnlyOnExec = 4;  // CLOSE_RANGE_CLOEXEC closes nothing now
  constexpr long kCloseRangeNumber = 436;
  if (!(flags & kOnlyOnExec)) descriptors_closing(first, last);
  auto function = next<int (*)(unsigned, unsigned, int)>(kCloseRange);
  return function ? function(first, last, flags)
                  : static_cast<int>(libc_result(sys::call(kCloseRangeNumber, first, last, flags)));
}

LOOPTAP_EXPORT void closefrom(int first) {
  const unsigned from = first < 0 ? 0 : static_cast<unsigned>(first);
  descriptors_closing(from, ~0u);
  auto function = next<void (*)(int)>(kCloseFrom);
  constexpr long kCloseRangeNumber = 436;
  if (function)
    function(first);
  else
    sys::call(kCloseRangeNumber, from, ~0u, 0);
}

/* Noticed after the call, unlike close(): a dup2() that fails closes nothing, and after one that succeeds `to` is still
 * open, so that no other thread can have been given its number. */
LOOPTAP_EXPORT int dup2(int from, int to) {
  auto function = next<int (*)(int, int)>(kDup2);
  int result;
#if defined(__x86_64__)
  result = function ? function(from, to) : static_cast<int>(libc_result(sys::call(SYS_dup2, from, to)));
#else
  constexpr int kGetFlags = 1;  // F_GETFD: dup2() of a descriptor onto itself only checks that it is open
  if (function)
    result = function(from, to);
  else if (from != to)
    result = static_cast<int>(libc_result(sys::call(SYS_dup3, from, to, 0)));
  else if (const long open = sys::call(SYS_fcntl, from, kGetFlags); sys::failed(open))
    result = static_cast<int>(libc_result(open));
  else
    result = to;
#endif
  if (result >= 0 && from != to) descriptor_closing(to);
  return result;
}

LOOPTAP_EXPORT int dup3(int from, int to, int flags) {
  auto function = next<int (*)(int, int, int)>(kDup3);
  const int result = function ? function(from, to, flags)
                              : static_cast<int>(libc_result(sys::call(SYS_dup3, from, to, flags)));
  if (result >= 0) descriptor_closing(to);
  return result;
}

/* Called by syscall() (preload/syscall_*.S) for SYS_close, which libuv uses. */
void looptap_syscall_closes(int fd) { descriptor_closing(fd); }

// The end of the process.

LOOPTAP_EXPORT __attribute__((noreturn)) void _exit(int status) {
  note_exit();
  if (auto function = known_next<void (*)(int)>(kExit)) function(status);
  for (;;) sys::call(SYS_exit_group, status);
}

LOOPTAP_EXPORT __attribute__((noreturn)) void _Exit(int status) {
  note_exit();
  if (auto function = known_next<void (*)(int)>(kExit2)) function(status);
  for (;;) sys::call(SYS_exit_group, status);
}
