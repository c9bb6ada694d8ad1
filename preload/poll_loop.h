/* The poll loop of a thread: with LOOPTAP_WAITS=poll,select the poll() and select() calls of a thread that waits on no
 * epoll instance count as the waits of one loop. From its first wait on an epoll instance on, they are blocking calls
 * like any other: part of an iteration.
 *
 * For:      probe.cc. C++.
 * Threads:  Thread::poll_loop belongs to the calling thread.
 * Signals:  async-signal-safe.
 * Errors:   a thread that finds no slot has no poll loop; errno is not touched.
 */
#ifndef LOOPTAP_POLL_LOOP_H
#define LOOPTAP_POLL_LOOP_H

#include "preload/descriptors.h"
#include "preload/process.h"
#include "preload/settings.h"
#include "preload/thread.h"

namespace looptap {

/* Whether LOOPTAP_WAITS names this kind. Does not start the process: most programs that poll have no loop, and are
 * to get no segment. */
inline bool is_wait_call(uint32_t kind) {
  const Settings* asked = settings();
  return asked && (asked->waits & kind);
}

/* Makes sure that thread.poll_loop has a slot. False where there is none for it. */
inline bool find_poll_loop(Process* process, Thread& thread) {
  if (thread.poll_loop >= kFirstLoop) return true;
  if (thread.poll_loop == kUnmeasured || thread.state.depth || !is_own(process)) return false;
  thread.poll_loop = find_slot(process, thread);
  return thread.poll_loop >= kFirstLoop;
}

/* The thread is about to wait on an epoll instance: its poll loop ends, for good. */
__attribute__((noinline)) inline void end_poll_loop(Process* process, Thread& thread) {
  const uint64_t now = thread_now_ns(process, thread);
  looptap_abandon_wait(&process->segment.loops, &thread.state, now);
  looptap_end(&process->segment.loops, &thread.state, thread.poll_loop - kFirstLoop, now);
  thread.state.depth = 0;
  thread.poll_loop = kUnmeasured;
}

}  // namespace looptap

#endif
