/* What the probe knows of the calling thread, and how it learns that the thread ends.
 *
 * For:      the probe only. C++.
 * Threads:  a Thread is thread-local (initial-exec TLS: no allocation, no call). The pthread key is made once, by the
 *           first thread that comes; g_key_status is stored with release when it is there.
 * Signals:  async-signal-safe, but for make_key(), which calls pthread_key_create().
 * Errors:   without pthreads, or where only keys that allocate are left, the end of a thread is not noticed: its loops
 *           stay open until another thread waits on them or the process ends. errno is not touched.
 * Units:    ns of CLOCK_MONOTONIC.
 */
#ifndef LOOPTAP_THREAD_H
#define LOOPTAP_THREAD_H

#include "preload/operations.h"

#include "preload/clock.h"
#include "preload/loop_state.h"
#include "preload/process.h"

extern "C" {
__attribute__((weak)) int pthread_key_create(unsigned* key, void (*destructor)(void*));
__attribute__((weak)) int pthread_key_delete(unsigned key);
__attribute__((weak)) int pthread_setspecific(unsigned key, const void* value);
}

namespace looptap {

struct Thread {
  looptap_thread state;
  Anchor anchor;
  uint64_t nonce;  // of the process that it was set up for: differs in a forked child

  // kFirstLoop + the ordinal of the thread's poll loop (poll_loop.h); kNotEpoll before its first wait; kUnmeasured
  // when it has none any more.
  uint16_t poll_loop;
};

inline __thread Thread t_thread __attribute__((tls_model("initial-exec")));

enum : uint32_t { kNoKey, kMakingKey, kHaveKey, kNoKeyAvailable };
inline uint32_t g_key_status;
inline unsigned g_key;

inline uint64_t thread_now_ns(Process* process, Thread& thread) {
  return now_ns(process->clock, thread.anchor);
}

inline void thread_ended(void*) {
  Process* process = ready_process();
  Thread& thread = t_thread;
  if (!process || thread.nonce != process->nonce) return;
  const Segment& segment = process->segment;
  const uint64_t now = thread_now_ns(process, thread);
  looptap_thread_ends(&segment.loops, &thread.state, now);
  if (thread.poll_loop >= kFirstLoop)
    looptap_end(&segment.loops, &thread.state, thread.poll_loop - kFirstLoop, now);
  const uint64_t used = looptap_load_acquire(&segment.header->loops_used);  // pairs with find_slot()
  for (uint32_t i = 0; i < used && i < segment.slots; i++)
    if (looptap_loop* loop = reserved_slot(segment, i)) looptap_disown(loop, &thread.state);
  thread.nonce = 0;  // if a later destructor waits again, the thread is set up again
}

/* glibc keeps the values of the first 32 keys inside the thread, and allocates for the others: the probe must not cause
 * that. */
constexpr unsigned kKeysWithoutAllocation = 32;

/* Makes the key, once. Called first before main(), when few keys are taken. Returns the status. */
inline uint32_t make_key() {
  if (!pthread_key_create || !pthread_setspecific || !pthread_key_delete) return kNoKeyAvailable;
  uint32_t status = kNoKey;
  if (__atomic_compare_exchange_n(&g_key_status, &status, kMakingKey, false, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE)) {
    status = kNoKeyAvailable;
    if (pthread_key_create(&g_key, thread_ended) == 0) {
      if (g_key < kKeysWithoutAllocation)
        status = kHaveKey;
      else
        pthread_key_delete(g_key);
    }
    // Pairs with the loads of g_key_status: who sees it sees g_key set.
    __atomic_store_n(&g_key_status, status, __ATOMIC_RELEASE);
  }
  for (int turn = 0; turn < sys::kMaxYields && status == kMakingKey; turn++) {
    sys::yield_or_sleep(turn);
    status = __atomic_load_n(&g_key_status, __ATOMIC_ACQUIRE);
  }
  return status;
}

inline void register_thread_end() {
  if (make_key() == kHaveKey) pthread_setspecific(g_key, &t_thread);
}

/* The calling thread, set up for this process. Costs a comparison after the first time. */
inline Thread& this_thread(Process* process) {
  Thread& thread = t_thread;
  if (thread.nonce != process->nonce) {
    thread = Thread{};
    thread.nonce = process->nonce;
    thread.state.number = __atomic_add_fetch(&process->threads, 1, __ATOMIC_RELAXED);
    thread.state.thread_id = static_cast<uint32_t>(sys::gettid());
    register_thread_end();
  }
  return thread;
}

}  // namespace looptap

#endif
