/* Loops without an epoll instance: with LOOPTAP_WAITS=poll,select the calls of a thread that waits on no
 * epoll instance count as the waits of one loop. As soon as the thread waits on an epoll instance, its polls
 * are what blocking calls are: part of an iteration.
 */
#ifndef LOOPTAP_POLL_LOOP_H
#define LOOPTAP_POLL_LOOP_H

#include "preload/descriptors.h"
#include "preload/process.h"
#include "preload/settings.h"
#include "preload/thread.h"

namespace looptap {

/* Whether LOOPTAP_WAITS names this kind. Asked before there is a process: most have no use for one. */
inline bool is_wait_call(uint32_t kind) {
  const Settings* asked = settings();
  return asked && (asked->waits & kind);
}

/* The thread's loop in thread.poll_loop, given a slot if this is its first wait. False where it has none. */
inline bool find_poll_loop(Process* process, Thread& thread) {
  if (thread.poll_loop >= kFirstLoop) return true;
  if (thread.poll_loop == kUnmeasured || thread.state.depth || !is_own(process)) return false;
  thread.poll_loop = find_slot(process, thread);
  return thread.poll_loop >= kFirstLoop;
}

/* The thread waits on an epoll instance now. */
__attribute__((noinline)) inline void end_poll_loop(Process* process, Thread& thread) {
  const uint64_t now = thread_now_ns(process, thread);
  looptap_abandon_wait(&process->segment.loops, &thread.state, now);
  looptap_end(&process->segment.loops, &thread.state, thread.poll_loop - kFirstLoop, now);
  thread.state.depth = 0;
  thread.poll_loop = kUnmeasured;
}

}  // namespace looptap

#endif
