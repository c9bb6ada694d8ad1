/* System calls without libc.
 *
 * For:      the probe only. C++.
 * Threads:  any. No cancellation points.
 * Signals:  async-signal-safe.
 * Errors:   each returns what the kernel returned, -errno on failure; errno is not touched.
 * Units:    bytes.
 */
#ifndef LOOPTAP_SYS_H
#define LOOPTAP_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

namespace looptap::sys {

#if defined(__x86_64__)
inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
  return x0;
}
#else
#error "looptap knows x86-64 and aarch64"
#endif

inline bool failed(long result) { return result < 0 && result > -4096; }
inline long address(const void* pointer) { return reinterpret_cast<long>(pointer); }

// The kernel's numbers, the same on both architectures except where said.
constexpr int kCwd = -100;                                     // AT_FDCWD
constexpr int kReadOnly = 0, kReadWrite = 2;                   // O_RDONLY, O_RDWR
constexpr int kCreate = 0100, kExclusive = 0200;               // O_CREAT, O_EXCL
constexpr int kCloseOnExec = 02000000, kPathOnly = 010000000;  // O_CLOEXEC, O_PATH
#if defined(__x86_64__)
constexpr int kDirectory = 0200000, kNoFollow = 0400000;  // O_DIRECTORY, O_NOFOLLOW
#else
constexpr int kDirectory = 040000, kNoFollow = 0100000;
#endif
constexpr int kErrorNoEntry = 2, kErrorExists = 17, kErrorInvalid = 22, kErrorNotSupported = 95;
constexpr int kProtRead = 1, kProtWrite = 2;
constexpr int kMapShared = 1, kMapPrivate = 2, kMapAnonymous = 0x20;
constexpr int kAdviseDontFork = 10, kAdviseWipeOnFork = 18, kAdvisePopulateWrite = 23;

inline long open_at(int directory, const char* path, int flags, unsigned mode = 0) {
  return call(SYS_openat, directory, address(path), flags, mode);
}
inline long close(int fd) { return call(SYS_close, fd); }
inline long read(int fd, void* buffer, size_t size) {
  return call(SYS_read, fd, address(buffer), static_cast<long>(size));
}
inline long write(int fd, const void* buffer, size_t size) {
  return call(SYS_write, fd, address(buffer), static_cast<long>(size));
}
/* Writes without raising SIGPIPE or SIGXFSZ in the host: they are blocked meanwhile, and one that the write made
 * pending is consumed. */
inline void write_without_signal(int fd, const void* buffer, size_t size) {
  constexpr uint64_t kSignals = 1ull << (13 - 1) | 1ull << (25 - 1);  // SIGPIPE, SIGXFSZ
  constexpr int kBlock = 0, kSetMask = 2;
  constexpr long kSetSize = 8;
  const uint64_t signals = kSignals;
  const int64_t at_once[2] = {0, 0};
  uint64_t mask = 0, pending = 0;
  if (call(SYS_rt_sigprocmask, kBlock, address(&signals), address(&mask), kSetSize)) return;
  call(SYS_rt_sigpending, address(&pending), kSetSize);
  if (failed(write(fd, buffer, size))) {
    const uint64_t raised = kSignals & ~pending;
    call(SYS_rt_sigtimedwait, address(&raised), 0, address(at_once), kSetSize);
  }
  call(SYS_rt_sigprocmask, kSetMask, address(&mask), 0, kSetSize);
}
inline long getpid() { return call(SYS_getpid); }
inline long gettid() { return call(SYS_gettid); }

inline void* map(size_t size, int flags, int fd) {
  long result = call(SYS_mmap, 0, static_cast<long>(size), kProtRead | kProtWrite, flags, fd, 0);
  return failed(result) ? nullptr : reinterpret_cast<void*>(result);
}
inline long unmap(void* at, size_t size) { return call(SYS_munmap, address(at), static_cast<long>(size)); }
inline long advise(void* at, size_t size, int advice) {
  return call(SYS_madvise, address(at), static_cast<long>(size), advice);
}

/* Waits a little for another thread to finish a step. Called with turn = 0, 1, ... up to kMaxYields: the first 100
 * turns yield the CPU, each later one sleeps 50 us, which makes 10 ms in all. */
constexpr int kMaxYields = 300;
inline void yield_or_sleep(int turn) {
  const int64_t time[2] = {0, 50000};
  if (turn < 100)
    call(SYS_sched_yield);
  else
    call(SYS_nanosleep, address(time), 0);
}

/* Whether madvise() does anything. qemu-user before 8.0 returns 0 for any advice, even one that does not exist, and
 * does nothing. */
inline bool madvise_works(void* at, size_t size) {
  constexpr int kNoSuchAdvice = -1;
  return advise(at, size, kNoSuchAdvice) != 0;
}

/* Reads a whole small file; returns the bytes read, which a NUL follows, or -errno. */
inline long read_file(const char* path, char* buffer, size_t size) {
  long fd = open_at(kCwd, path, kReadOnly | kCloseOnExec);
  if (failed(fd)) return fd;
  size_t length = 0;
  while (length + 1 < size) {
    long got = read(static_cast<int>(fd), buffer + length, size - 1 - length);
    if (failed(got) || got == 0) break;
    length += static_cast<size_t>(got);
  }
  buffer[length] = 0;
  close(static_cast<int>(fd));
  return static_cast<long>(length);
}

}  // namespace looptap::sys

#endif
