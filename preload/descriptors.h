/* Which loop a descriptor stands for: finds new epoll instances, gives them slots, notices when they are closed.
 *
 * For:      probe.cc and poll_loop.h. C++.
 * Threads:  any thread, without locks: Process::descriptors has one atomic word per descriptor. Of two threads that
 *           wait first on the same descriptor one waits for the other, for some milliseconds at most.
 * Signals:  async-signal-safe.
 * Errors:   a loop that finds no slot is kUnmeasured and counted in loops_dropped; errno is not touched.
 *
 * The words of Process::descriptors are stored with release after the slot they name is filled, and loaded with
 * acquire before that slot is used: each __ATOMIC_ACQUIRE of one pairs with replace_descriptor() and
 * claim_descriptor().
 */
#ifndef LOOPTAP_DESCRIPTORS_H
#define LOOPTAP_DESCRIPTORS_H

#include "preload/process.h"
#include "preload/thread.h"

namespace looptap {

/* Relaxed: it bounds searches for other descriptors of a loop, which load the words themselves with acquire. */
inline void raise_highest_descriptor(Process* process, uint32_t fd) {
  uint32_t highest = __atomic_load_n(&process->highest_descriptor, __ATOMIC_RELAXED);
  while (fd > highest && !__atomic_compare_exchange_n(&process->highest_descriptor, &highest, fd, true,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

/* Whether another descriptor stands for the loop, too (dup). Skips the search (one load for each descriptor up to the
 * highest) in a process that never duplicated one. */
inline bool has_other_descriptor(Process* process, uint32_t fd, uint16_t loop) {
  if (!__atomic_load_n(&process->duplicated, __ATOMIC_RELAXED)) return false;
  const uint32_t highest = __atomic_load_n(&process->highest_descriptor, __ATOMIC_RELAXED);
  for (uint32_t other = 0; other <= highest; other++)
    if (other != fd && __atomic_load_n(&process->descriptors[other], __ATOMIC_ACQUIRE) == loop) return true;
  return false;
}

/* Sets what is known of a descriptor. If it was the only one of a loop, that loop ends. */
inline void replace_descriptor(Process* process, uint32_t fd, Descriptor value) {
  uint16_t old = __atomic_exchange_n(&process->descriptors[fd], value, __ATOMIC_ACQ_REL);
  if (old < kFirstLoop || has_other_descriptor(process, fd, old)) return;
  Thread& thread = this_thread(process);
  looptap_end(&process->segment.loops, &thread.state, old - kFirstLoop, thread_now_ns(process, thread));
}

/* epoll_create() or epoll_create1() has returned fd, or -1. */
inline void descriptor_created(int fd) {
  if (fd < 0) return;
  Process* process = ready_process();
  if (!process && !(process = start_process())) return;
  if (static_cast<uint32_t>(fd) >= kDescriptors || !is_own(process)) return;
  raise_highest_descriptor(process, static_cast<uint32_t>(fd));
  replace_descriptor(process, static_cast<uint32_t>(fd), kNoWaitYet);
}

/* fd is about to be closed or replaced. Called before the close: after it, another thread may have been given the same
 * number for a new instance. */
inline void descriptor_closing(int fd) {
  Process* process = ready_process();
  if (!process || static_cast<uint32_t>(fd) >= kDescriptors) return;
  uint16_t known = __atomic_load_n(&process->descriptors[fd], __ATOMIC_ACQUIRE);
  if (known == kNotEpoll || known == kClaiming || !is_own(process)) return;
  replace_descriptor(process, static_cast<uint32_t>(fd), kNotEpoll);
}

inline void descriptors_closing(uint32_t first, uint32_t last) {
  Process* process = ready_process();
  if (!process) return;
  uint32_t highest = __atomic_load_n(&process->highest_descriptor, __ATOMIC_RELAXED);
  for (uint32_t fd = first; fd <= last && fd <= highest; fd++) descriptor_closing(static_cast<int>(fd));
}

/* Whether a descriptor that epoll_create() did not return here (inherited through fork, made by a raw system call) is
 * an epoll instance. Where /proc is not mounted, any open descriptor counts as one: the caller waits on it. */
inline bool is_epoll(int fd) {
  Text<40> path;
  char link[32];
  path.add("/proc/self/fd/").add(static_cast<uint64_t>(fd));
  long length =
      sys::call(SYS_readlinkat, sys::kCwd, sys::address(path.bytes), sys::address(link), sizeof link - 1);
  if (!sys::failed(length)) {
    link[length] = 0;
    return same_text(link, "anon_inode:[eventpoll]");
  }
  constexpr int kGetFlags = 1;  // F_GETFD
  return sys::failed(sys::call(SYS_readlinkat, sys::kCwd, sys::address("/proc/self"), sys::address(link),
                               sizeof link)) &&
         !sys::failed(sys::call(SYS_fcntl, fd, kGetFlags));
}

/* The known descriptor of which `fd` is a duplicate; -1 where there is none, or kcmp() is filtered (seccomp).
 * One system call for each known descriptor. */
inline int find_original(Process* process, int fd) {
  constexpr int kCompareFiles = 0;  // KCMP_FILE
  const uint32_t highest = __atomic_load_n(&process->highest_descriptor, __ATOMIC_RELAXED);
  for (uint32_t other = 0; other <= highest; other++) {
    if (other == static_cast<uint32_t>(fd)) continue;
    const uint16_t known = __atomic_load_n(&process->descriptors[other], __ATOMIC_ACQUIRE);
    if (known == kNotEpoll || known == kClaiming) continue;
    if (sys::call(SYS_kcmp, process->pid, process->pid, kCompareFiles, fd, other) == 0)
      return static_cast<int>(other);
  }
  return -1;
}

inline void read_thread_name(char (&name)[16]) {
  constexpr int kGetName = 16;  // PR_GET_NAME
  if (sys::failed(sys::call(SYS_prctl, kGetName, sys::address(name)))) name[0] = 0;
}

/* Finds a slot for a new loop of this thread: that of a loop that it ran and that has ended, or that a thread of the
 * same name ran which has ended, too; else an unused one. Returns kFirstLoop + its ordinal, or kUnmeasured. */
inline uint16_t find_slot(Process* process, Thread& thread) {
  char name[16] = {};
  read_thread_name(name);
  if (matches_any(g_settings.exclude, name)) return kUnmeasured;

  Segment& segment = process->segment;
  const uint64_t now = thread_now_ns(process, thread);
  uint64_t used = looptap_load_acquire(&segment.header->loops_used);  // pairs with the fetch_add below
  for (uint32_t i = 0; i < used && i < segment.slots; i++) {
    looptap_loop* loop = reserved_slot(segment, i);
    if (loop && looptap_take_over(loop, &thread.state, same_text(loop->thread_name, name), now))
      return static_cast<uint16_t>(kFirstLoop + i);
  }

  if (used < segment.slots && (used = looptap_fetch_add(&segment.header->loops_used, 1)) < segment.slots &&
      reserve_slot(segment, static_cast<uint32_t>(used))) {
    looptap_loop* loop = looptap_loop_at(&segment.loops, static_cast<uint32_t>(used));
    copy_line(loop->thread_name, sizeof loop->thread_name, name);
    looptap_begin(loop, &thread.state, now);
    return static_cast<uint16_t>(kFirstLoop + used);
  }
  looptap_fetch_add(&segment.header->loops_dropped, 1);
  return kUnmeasured;
}

/* The first wait on a descriptor: gives it a slot. Returns what is known of it now. */
__attribute__((noinline)) inline uint16_t claim_descriptor(Process* process, int fd) {
  uint16_t* place = &process->descriptors[fd];
  // Of two threads that come at once the second waits for the first: otherwise its wait, which may last for hours,
  // would be missing from the loop. Not for ever: it may be a signal handler that has interrupted the first.
  for (int turn = 0; turn < sys::kMaxYields; turn++) {
    uint16_t known = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (known == kUnmeasured || known >= kFirstLoop) return known;
    if (known == kClaiming) {
      sys::yield_or_sleep(turn);
      continue;
    }
    if (known == kNotEpoll && !is_epoll(fd)) return kNotEpoll;
    if (!is_own(process)) return kNotEpoll;
    if (!__atomic_compare_exchange_n(place, &known, kClaiming, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
      continue;
    raise_highest_descriptor(process, static_cast<uint32_t>(fd));
    uint16_t loop = g_settings.waits & kWaitsEpoll ? kNotEpoll : kUnmeasured;
    // Not created by a call that the probe wraps: it may be a duplicate.
    if (loop == kNotEpoll && known == kNotEpoll) {
      const int original = find_original(process, fd);
      if (original >= 0) {
        __atomic_store_n(&process->duplicated, 1, __ATOMIC_RELAXED);
        loop = claim_descriptor(process, original);
      }
    }
    if (loop != kUnmeasured && loop < kFirstLoop) loop = find_slot(process, this_thread(process));
    __atomic_store_n(place, loop, __ATOMIC_RELEASE);  // pairs with every acquire of the word
    return loop;
  }
  return kClaiming;
}

}  // namespace looptap

#endif
