/* The functions that the probe wraps: where the next definition of each is, and calling it.
 *
 * For:      probe.cc and process.h. C++.
 * Threads:  any. g_next is stored with release by find_next() and loaded with acquire; two threads may look one up at
 *           once and store the same.
 * Signals:  known_next() is async-signal-safe. find_next() calls dlsym(), which may lock and allocate.
 * Errors:   nullptr where there is no next definition: the caller makes the system call. errno is kept.
 *
 * dlsym(RTLD_NEXT) finds them, so that cancellation and other preloaded libraries keep working. It is called in the
 * constructor, or at the first wait where no constructor ran (musl with Go): never inside close() or syscall(),
 * which an allocator may call while it holds its locks, and dlsym may allocate.
 */
#ifndef LOOPTAP_NEXT_FUNCTION_H
#define LOOPTAP_NEXT_FUNCTION_H

#include <stdint.h>

extern "C" {
__attribute__((weak)) void* dlsym(void* handle, const char* name);
__attribute__((weak)) int* __errno_location();

/* Read by preload/syscall_*.S. */
__attribute__((visibility("hidden"))) extern void* looptap_next_syscall;
}

namespace looptap {

enum Function {
  kEpollWait,
  kEpollPwait,
  kEpollPwait2,
  kEpollCreate,
  kEpollCreate1,
  kClose,
  kCloseRange,
  kCloseFrom,
  kDup2,
  kDup3,
  kExit,
  kExit2,
  kSyscall,
  kPoll,
  kPollChk,
  kPpoll,
  kPpollChk,
  kSelect,
  kPselect,
  kFunctions
};

inline const char* const kFunctionNames[kFunctions] = {
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_create", "epoll_create1", "close",   "close_range",
    "closefrom",  "dup2",        "dup3",         "_exit",        "_Exit",         "syscall", "poll",
    "__poll_chk", "ppoll",       "__ppoll_chk",  "select",       "pselect"};

inline void* g_next[kFunctions];

/* Looks a function up; nullptr where there is none. errno is kept. */
inline void* find_next(Function function) {
  if (!dlsym) return nullptr;
  const int kept = __errno_location ? *__errno_location() : 0;
  void* found = dlsym(reinterpret_cast<void*>(-1l), kFunctionNames[function]);  // RTLD_NEXT
  if (__errno_location) *__errno_location() = kept;
  __atomic_store_n(&g_next[function], found, __ATOMIC_RELEASE);
  if (function == kSyscall) __atomic_store_n(&looptap_next_syscall, found, __ATOMIC_RELEASE);
  return found;
}

/* Looks up the functions that every libc has. The others are looked up when they are called: for one that is missing,
 * dlsym() allocates an error message. */
inline void find_early_functions() {
  constexpr Function kEarly[] = {kEpollWait, kEpollPwait, kEpollCreate, kEpollCreate1, kClose,
                                 kDup2,      kDup3,       kExit,        kExit2,        kSyscall,
                                 kPoll,      kPpoll,      kSelect,      kPselect};
  for (Function function : kEarly)
    if (!__atomic_load_n(&g_next[function], __ATOMIC_ACQUIRE)) find_next(function);
}

/* The function's next definition as a pointer of type F, or nullptr. */
template <typename F>
inline F known_next(Function function) {
  return reinterpret_cast<F>(__atomic_load_n(&g_next[function], __ATOMIC_ACQUIRE));
}
template <typename F>
inline F next(Function function) {
  void* found = __atomic_load_n(&g_next[function], __ATOMIC_ACQUIRE);
  if (!found) found = find_next(function);
  return reinterpret_cast<F>(found);
}

/* Converts the kernel's result (-errno) to libc's (-1, and errno set). */
inline long libc_result(long result) {
  if (result >= 0 || result <= -4096) return result;
  if (__errno_location) *__errno_location() = static_cast<int>(-result);
  return -1;
}

}  // namespace looptap

#endif
