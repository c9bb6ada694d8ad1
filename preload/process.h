/* What the probe knows of its process, and how measuring starts and ends.
 *
 * For:      the probe only. C++.
 * Threads:  any, without locks. One thread starts the process (start_process()); the others wait for it, for some
 *           milliseconds at most. Process::status is stored with release when everything else is filled in.
 * Signals:  async-signal-safe, but for start_process(), whose first call may call dlsym().
 * Errors:   a process that cannot be measured is kOff, for good; LOOPTAP_VERBOSE=1 says why. errno is not touched.
 * Units:    bytes, ns of CLOCK_MONOTONIC.
 *
 * A Process lies on pages that a forked child finds zeroed (MADV_WIPEONFORK), so that a child starts as a process of
 * which nothing is known. A vfork child shares them with its parent: whoever changes more than its own wait compares
 * the pid first (is_own()).
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
  kBuilding,  // a thread makes the segment; the others wait for it, for some milliseconds at most
  kReady,
  kReadyByPid,  // as kReady, but the kernel ignores MADV_WIPEONFORK: each use compares the pid
  kOff          // switched off, or no segment could be made
};

constexpr uint32_t kDescriptors = 1u << 16;  // epoll descriptors from here on are not measured

/* What is known of a descriptor: one of these, or kFirstLoop + the loop's ordinal. */
enum Descriptor : uint16_t {
  kNotEpoll,    // nothing is known: not an epoll instance, or inherited, or made by a raw system call
  kNoWaitYet,   // an epoll instance on which nobody has waited
  kClaiming,    // a thread is giving it a slot
  kUnmeasured,  // an epoll instance that LOOPTAP_EXCLUDE leaves out, or that found no slot
  kFirstLoop
};

struct Process {
  uint32_t status;
  uint32_t pid;
  uint64_t nonce;  // differs from that of the process it was forked from; not 0 when ready
  Segment segment;
  Clock clock;
  uint64_t threads;             // numbers given to threads so far
  uint32_t duplicated;          // 1: two descriptors have stood for one instance (dup)
  uint32_t highest_descriptor;  // the highest that `descriptors` has an entry for
  uint32_t lost_high_descriptor;
  uint16_t descriptors[kDescriptors];
};

inline Process* g_process;
inline uint32_t g_switched_off;  // LOOPTAP_DISABLE, or no page that forked children find zeroed

/* False in a vfork child, which runs in its parent's memory. */
inline bool is_own(const Process* process) { return static_cast<uint32_t>(sys::getpid()) == process->pid; }

/* The process when it is measured; nullptr when it is not, or not yet. */
inline Process* ready_process() {
  Process* process = __atomic_load_n(&g_process, __ATOMIC_ACQUIRE);  // pairs with start_process()
  if (__builtin_expect(!process, 0)) return nullptr;
  const uint32_t status = __atomic_load_n(&process->status, __ATOMIC_ACQUIRE);  // pairs with start_process()
  if (__builtin_expect(status == kReady, 1)) return process;
  return status == kReadyByPid && is_own(process) ? process : nullptr;
}

/* A line on standard error, for LOOPTAP_VERBOSE=1. */
__attribute__((noinline)) inline void log_line(const char* what) {
  Text<160> line;
  line.add("looptap: ").add(what).add("\n");
  sys::write_without_signal(2, line.bytes, line.length);
}

/* What may be wrong with a directory and a file in it, in libc's words, which a program without libc has not. */
inline const char* error_text(long error) {
  switch (error) {
    case 1:
      return "Operation not permitted";
    case 2:
      return "No such file or directory";
    case 12:
      return "Cannot allocate memory";
    case 13:
      return "Permission denied";
    case 20:
      return "Not a directory";
    case 22:
      return "Invalid argument";
    case 23:
      return "Too many open files in system";
    case 24:
      return "Too many open files";
    case 27:
      return "File too large";
    case 28:
      return "No space left on device";
    case 30:
      return "Read-only file system";
    case 36:
      return "File name too long";
    case 37:
      return "No locks available";
    case 38:
      return "Function not implemented";
    case 40:
      return "Too many levels of symbolic links";
    case 95:
      return "Operation not supported";
    case 122:
      return "Disk quota exceeded";
    default:
      return nullptr;
  }
}

/* Why this process is not measured. */
__attribute__((noinline)) inline void log_failure(const SegmentError& error, const char* directory) {
  Text<sizeof(Settings::directory) + 160> line;
  line.add("looptap: not measured: ").add(error.step);
  if (error.error) {
    const char* text = error_text(error.error);
    line.add(": ");
    if (text)
      line.add(text);
    else
      line.add("errno ").add(static_cast<uint64_t>(error.error));
    line.add(" (LOOPTAP_DIR is ").add(directory).add(")");
  }
  line.add("\n");
  sys::write_without_signal(2, line.bytes, line.length);
}

/* Which settings have a value that is not understood. */
__attribute__((noinline)) inline void log_wrong_settings(uint32_t wrong) {
  if (wrong & LOOPTAP_SETTING_LOOPS)
    log_line("LOOPTAP_LOOPS is not a number from 1 to 1024: there is room for 16 loops");
  if (wrong & LOOPTAP_SETTING_WAITS) log_line("LOOPTAP_WAITS is not a list of epoll, poll and select");
  if (wrong & LOOPTAP_SETTING_NAME) log_line("LOOPTAP_NAME is longer than 63 bytes and was cut off");
  if (wrong & LOOPTAP_SETTING_EXCLUDE) log_line("LOOPTAP_EXCLUDE is longer than 255 bytes and was cut off");
  if (wrong & LOOPTAP_SETTING_VERBOSE) log_line("LOOPTAP_VERBOSE is not 1 or 0: it is taken for 1");
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
  if (settings.verbose) log_wrong_settings(settings.wrong);
  if (error.step) {
    if (settings.verbose) log_failure(error, settings.directory);
    return kOff;
  }
  process->pid = static_cast<uint32_t>(sys::getpid());
  process->nonce = now ^ (static_cast<uint64_t>(process->pid) << 40) ^ 1;
  if (settings.verbose) log_line("measuring");
  return sys::madvise_works(process, LOOPTAP_PAGE) ? kReady : kReadyByPid;
}

/* In a forked child, where the kernel ignores MADV_WIPEONFORK: zeroes the process and unmaps its parent's segment. */
inline void reset_after_fork(Process* process) {
  sys::unmap(process->segment.header, process->segment.size);  // with it goes the lock
  for (uint64_t* word = reinterpret_cast<uint64_t*>(process);
       word < reinterpret_cast<uint64_t*>(process + 1);)
    *word++ = 0;
}

/* Starts measuring this process. nullptr where it is not measured: switched off (LOOPTAP_DISABLE, which is looked at
 * before anything else), no segment, or another thread still at it. */
__attribute__((noinline)) inline Process* start_process() {
  if (__atomic_load_n(&g_switched_off, __ATOMIC_ACQUIRE)) return nullptr;
  Process* process = __atomic_load_n(&g_process, __ATOMIC_ACQUIRE);  // pairs with the compare_exchange below
  const Settings* asked = settings();
  if (!asked) return nullptr;
  if (!process) {
    if (asked->disabled || !(process = map_process())) {
      __atomic_store_n(&g_switched_off, 1, __ATOMIC_RELEASE);
      return nullptr;
    }
    Process* expected = nullptr;  // of two threads, the second unmaps its pages and takes the first one's
    if (!__atomic_compare_exchange_n(&g_process, &expected, process, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
      sys::unmap(process, sizeof(Process));
      process = expected;
    }
  }
  // qemu-user turns vfork into fork, so that this memory is a copy of the parent's, not the parent's own.
  if (__atomic_load_n(&process->status, __ATOMIC_ACQUIRE) == kReadyByPid && !is_own(process))
    reset_after_fork(process);
  uint32_t status = kUnknown;
  if (__atomic_compare_exchange_n(&process->status, &status, kBuilding, false, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE)) {
    find_early_functions();
    status = build_process(process, *asked);
    __atomic_store_n(&process->status, status, __ATOMIC_RELEASE);  // pairs with ready_process()
  }
  // Another thread makes the segment. Without waiting for it this thread's wait, which may last for hours, would not
  // be measured. Not for ever: it may be a signal handler that has interrupted that thread.
  for (int turn = 0; turn < sys::kMaxYields && status == kBuilding; turn++) {
    sys::yield_or_sleep(turn);
    status = __atomic_load_n(&process->status, __ATOMIC_ACQUIRE);
  }
  return status == kReady || status == kReadyByPid ? process : nullptr;
}

/* The process exits normally. */
inline void note_exit() {
  Process* process = ready_process();
  if (process && is_own(process))
    // Pairs with the exporter's read: who sees the exit sees all counters of this thread.
    looptap_store_release(&process->segment.header->exited_ns, monotonic_ns(process->clock.vdso));
}

}  // namespace looptap

#endif
