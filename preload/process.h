/* What the probe knows of its process. It lives on pages that a forked child finds zeroed, so that a child
 * is a process of which nothing is known yet; a vfork child shares them, so whoever changes anything but
 * the present wait compares the pid first.
 */
#ifndef LOOPTAP_PROCESS_H
#define LOOPTAP_PROCESS_H

#include "preload/clock.h"
#include "preload/next_function.h"
#include "preload/segment.h"
#include "preload/settings.h"
#include "preload/sys.h"

namespace looptap {

enum Status : uint32_t {
  kUnknown,   // nothing has been tried
  kBuilding,  // a thread makes the segment; the others wait for it, but not for ever
  kReady,
  kReadyByPid,  // as kReady, but a forked child finds the pages as they were and has to look at its pid
  kOff          // switched off, or no segment could be made
};

constexpr uint32_t kDescriptors = 1u << 16;  // epoll descriptors from here on are not measured

/* What is known of a descriptor number: one of these, or kFirstLoop + the loop's ordinal. */
enum Descriptor : uint16_t {
  kNotEpoll,    // not an epoll instance, as far as anybody knows
  kNoWaitYet,   // an epoll instance that nobody has waited on
  kClaiming,    // a thread gives it a slot just now
  kUnmeasured,  // an epoll instance that is left out or found no slot
  kFirstLoop
};

struct Process {
  uint32_t status;
  uint32_t pid;
  uint64_t nonce;  // tells this process from the one it was forked from; never 0 when ready
  Segment segment;
  Clock clock;
  uint64_t threads;             // numbers given so far
  uint32_t duplicated;          // whether two numbers ever stood for one instance
  uint32_t highest_descriptor;  // of those ever noted below
  uint32_t lost_high_descriptor;
  uint16_t descriptors[kDescriptors];
};

inline Process* g_process;
inline uint32_t g_switched_off;  // LOOPTAP_DISABLE=1, or no page that forked children find zeroed

/* False in a vfork child, which runs in its parent's memory. */
inline bool is_own(const Process* process) { return static_cast<uint32_t>(sys::getpid()) == process->pid; }

/* The process when it is measured; nullptr when it is not, or not yet. */
inline Process* ready_process() {
  Process* process = __atomic_load_n(&g_process, __ATOMIC_ACQUIRE);
  if (__builtin_expect(!process, 0)) return nullptr;
  const uint32_t status = __atomic_load_n(&process->status, __ATOMIC_ACQUIRE);
  if (__builtin_expect(status == kReady, 1)) return process;
  return status == kReadyByPid && is_own(process) ? process : nullptr;
}

inline void log_line(const char* what, long error) {
  Text<160> line;
  line.add("looptap: ").add(what);
  if (error) line.add(" (errno ").add(static_cast<uint64_t>(error)).add(")");
  line.add("\n");
  sys::write_without_signal(2, line.bytes, line.length);
}

/* Pages that a forked child finds zeroed; nullptr where the kernel has none (before 4.14). */
inline Process* map_process() {
  void* at = sys::map(sizeof(Process), sys::kMapPrivate | sys::kMapAnonymous, -1);
  if (!at) return nullptr;
  if (sys::advise(at, sizeof(Process), sys::kAdviseWipeOnFork)) {
    sys::unmap(at, sizeof(Process));
    return nullptr;
  }
  return static_cast<Process*>(at);
}

/* Makes the segment, for the one thread that set kBuilding. Returns the new status. */
inline Status build_process(Process* process, const Settings& settings) {
  start_clock(process->clock);
  const uint64_t now = monotonic_ns(process->clock.vdso);
  const SegmentError error = create_segment(settings, now, process->segment);
  if (settings.verbose && settings.bad_loops) log_line("LOOPTAP_LOOPS is not a number from 1 to 1024", 0);
  if (settings.verbose && (settings.waits & kWaitsUnknownWord))
    log_line("LOOPTAP_WAITS is not a list of epoll, poll and select", 0);
  if (error.step) {
    if (settings.verbose) log_line(error.step, error.error);
    return kOff;
  }
  process->pid = static_cast<uint32_t>(sys::getpid());
  process->nonce = now ^ (static_cast<uint64_t>(process->pid) << 40) ^ 1;
  if (settings.verbose) log_line("measuring", 0);
  return sys::madvise_works(process, LOOPTAP_PAGE) ? kReady : kReadyByPid;
}

/* What a forked child has to do itself where the kernel does not: forget its parent. */
inline void reset_after_fork(Process* process) {
  sys::unmap(process->segment.header, process->segment.size);  // with it goes the lock
  for (uint64_t* word = reinterpret_cast<uint64_t*>(process);
       word < reinterpret_cast<uint64_t*>(process + 1);)
    *word++ = 0;
}

/* The process, started if it can be. The kill switch comes before anything else. */
__attribute__((noinline)) inline Process* start_process() {
  if (__atomic_load_n(&g_switched_off, __ATOMIC_ACQUIRE)) return nullptr;
  Process* process = __atomic_load_n(&g_process, __ATOMIC_ACQUIRE);
  const Settings* asked = settings();
  if (!asked) return nullptr;
  if (!process) {
    if (asked->disabled || !(process = map_process())) {
      __atomic_store_n(&g_switched_off, 1, __ATOMIC_RELEASE);
      return nullptr;
    }
    Process* expected = nullptr;
    if (!__atomic_compare_exchange_n(&g_process, &expected, process, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
      sys::unmap(process, sizeof(Process));
      process = expected;
    }
  }
  // Emulators make a fork of a vfork, too: this is not the parent's memory.
  if (__atomic_load_n(&process->status, __ATOMIC_ACQUIRE) == kReadyByPid && !is_own(process))
    reset_after_fork(process);
  uint32_t status = kUnknown;
  if (__atomic_compare_exchange_n(&process->status, &status, kBuilding, false, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE)) {
    find_early_functions();
    status = build_process(process, *asked);
    __atomic_store_n(&process->status, status, __ATOMIC_RELEASE);
  }
  // Another thread builds: this one's waits would be missing. Not for ever, as a signal handler may have
  // interrupted that thread.
  for (int turn = 0; turn < sys::kMaxYields && status == kBuilding; turn++) {
    sys::yield_or_sleep(turn);
    status = __atomic_load_n(&process->status, __ATOMIC_ACQUIRE);
  }
  return status == kReady || status == kReadyByPid ? process : nullptr;
}

/* The process ends in good order. */
inline void note_exit() {
  Process* process = ready_process();
  if (process && is_own(process))
    looptap_store_release(&process->segment.header->exited_ns, monotonic_ns(process->clock.vdso));
}

}  // namespace looptap

#endif
