/* Creates the process' segment: under a hidden name the file is locked, reserved and filled, then renamed, so that no
 * reader sees it incomplete or without its lock.
 *
 * For:      process.h. C++.
 * Threads:  create_segment() is called by one thread at a time; reserve_slot() by any, for different slots.
 * Signals:  async-signal-safe: system calls only. Raises no signal in the host: the file-size limit is compared before
 *           the file grows (SIGXFSZ), and no page is touched that has not been reserved (SIGBUS on a full file system).
 * Errors:   a SegmentError, or -errno where it says so; what was created is removed. errno is not touched.
 * Units:    bytes, ns of CLOCK_MONOTONIC.
 */
#ifndef LOOPTAP_SEGMENT_H
#define LOOPTAP_SEGMENT_H

#include "preload/operations.h"
#include "preload/segment_layout.h"
#include "preload/settings.h"
#include "preload/sys.h"
#include "preload/text.h"

namespace looptap {

/* The segment of this process, mapped. */
struct Segment {
  looptap_header* header;
  looptap_loops loops;
  uint64_t size;
  uint32_t slots;
  uint32_t reserve_on_demand;            // 1: each slot is reserved at its first use; 0: all were at creation
  uint8_t reserved[LOOPTAP_MOST_LOOPS];  // 1: the slot may be touched; else even a read may raise SIGBUS
};

/* What went wrong, for LOOPTAP_VERBOSE=1: a step in words, and the errno. */
struct SegmentError {
  const char* step;
  long error;
};

constexpr uint64_t kRingOffset = LOOPTAP_PAGE;
constexpr uint64_t kLoopsOffset = 2 * LOOPTAP_PAGE;
constexpr uint64_t kLoopStride = (sizeof(looptap_loop) + LOOPTAP_PAGE - 1) / LOOPTAP_PAGE * LOOPTAP_PAGE;
static_assert(sizeof(looptap_header) <= kRingOffset);
static_assert(kRingOffset + sizeof(looptap_ring) <= kLoopsOffset);

/* Reserves the slot's pages, so that touching them cannot raise SIGBUS. False where there is no space.
 * The store pairs with reserved_slot(). */
inline bool reserve_slot(Segment& segment, uint32_t ordinal) {
  if (segment.reserve_on_demand && sys::advise(segment.loops.slots + segment.loops.stride * ordinal,
                                               segment.loops.stride, sys::kAdvisePopulateWrite) != 0)
    return false;
  __atomic_store_n(&segment.reserved[ordinal], 1, __ATOMIC_RELEASE);
  return true;
}

/* The slot, or nullptr where it has not been reserved. */
inline looptap_loop* reserved_slot(const Segment& segment, uint32_t ordinal) {
  return __atomic_load_n(&segment.reserved[ordinal], __ATOMIC_ACQUIRE)
             ? looptap_loop_at(&segment.loops, ordinal)
             : nullptr;
}

/* The inode of this process' PID namespace; 0 without /proc. */
inline uint64_t pid_namespace() {
  char link[64];
  long length = sys::call(SYS_readlinkat, sys::kCwd, sys::address("/proc/self/ns/pid"), sys::address(link),
                          sizeof link - 1);
  if (sys::failed(length)) return 0;
  link[length] = 0;
  const char* at = link;  // pid:[4026531836]
  while (*at && *at != '[') at++;
  return *at ? leading_number(at + 1) : 0;
}

/* When this process started, in clock ticks since boot: field 22 of /proc/self/stat; 0 without /proc. */
inline uint64_t start_ticks() {
  char stat[1024];
  if (sys::read_file("/proc/self/stat", stat, sizeof stat) <= 0) return 0;
  const char *at = stat, *after_comm = nullptr;
  for (; *at; at++)
    if (*at == ')') after_comm = at;  // the last one: comm may contain any byte
  if (!after_comm) return 0;
  at = after_comm;
  for (int field = 2; *at && field < 22; at++)
    if (*at == ' ') field++;
  return leading_number(at);
}

inline void fill_header(looptap_header* header, const Settings& settings, uint64_t size, uint64_t now_ns) {
  char line[64];
  const char* magic = LOOPTAP_MAGIC;
  for (int i = 0; i < 8; i++) header->magic[i] = magic[i];
  header->version = LOOPTAP_LAYOUT_VERSION;
  header->header_size = sizeof *header;
  header->file_size = size;
  header->clock = LOOPTAP_CLOCK_MONOTONIC;
  header->pid = static_cast<uint32_t>(sys::getpid());
  header->pid_namespace = pid_namespace();
  header->start_ticks = start_ticks();
  header->created_ns = now_ns;
  if (sys::read_file("/proc/sys/kernel/random/boot_id", line, sizeof line) > 0)
    copy_line(header->boot_id, sizeof header->boot_id, line);
  // Where /proc is not mounted, the calling thread's name (PR_GET_NAME) stands for the process'.
  constexpr int kGetName = 16;
  if (sys::read_file("/proc/self/comm", line, sizeof line) <= 0) {
    line[0] = 0;
    sys::call(SYS_prctl, kGetName, sys::address(line));
  }
  copy_line(header->comm, sizeof header->comm, line);
  copy_line(header->name, sizeof header->name, settings.name);
  header->wrong_settings = settings.wrong;
  header->region_count = 2;
  header->regions[0] = {LOOPTAP_REGION_LOOPS, settings.loops, kLoopsOffset, kLoopStride};
  header->regions[1] = {LOOPTAP_REGION_LONG_ITERATIONS, 1, kRingOffset, LOOPTAP_PAGE};
}

/* Opens the segment directory; creates it (mode 01777) if only its last part is missing. Returns a descriptor or
 * -errno. A symlink is refused: in a directory that everybody may write to, another user may have put it there. */
inline long open_directory(const char* path) {
  constexpr int kFlags = sys::kPathOnly | sys::kDirectory | sys::kNoFollow | sys::kCloseOnExec;
  long fd = sys::open_at(sys::kCwd, path, kFlags);
  if (fd != -sys::kErrorNoEntry) return fd;
  long made = sys::call(SYS_mkdirat, sys::kCwd, sys::address(path), 0777);
  if (sys::failed(made) && made != -sys::kErrorExists) return made;
  if (!made) sys::call(SYS_fchmodat, sys::kCwd, sys::address(path), 01777);  // mkdirat() applied the umask
  return sys::open_at(sys::kCwd, path, kFlags);
}

/* Whether a file of that size may be made without SIGXFSZ. */
inline bool size_limit_allows(uint64_t size) {
  uint64_t limits[2] = {~0ull, ~0ull};
  constexpr int kFileSize = 1;  // RLIMIT_FSIZE
  sys::call(SYS_prlimit64, 0, kFileSize, 0, sys::address(limits));
  return limits[0] >= size;
}

/* Reserves the first `size` bytes of the file; where the file system has no fallocate(), writes zeros. 0 or -errno. */
inline long reserve(int fd, uint64_t size) {
  long result = sys::call(SYS_fallocate, fd, 0, 0, static_cast<long>(size));
  if (result != -sys::kErrorNotSupported) return result;
  static const char zeros[LOOPTAP_PAGE] = {};
  for (uint64_t at = 0; at < size; at += sizeof zeros) {
    long written = sys::call(SYS_pwrite64, fd, sys::address(zeros), sizeof zeros, static_cast<long>(at));
    if (sys::failed(written)) return written;
  }
  return 0;
}

/* Takes a read lock on the whole file, owned by the open file description: it lasts as long as the mapping, closefrom()
 * does not end it, and it ends with the process, however that ends. 0 or -errno. */
inline long hold_lock(int fd) {
  struct {  // struct flock
    short type, whence;
    int64_t start, length;
    int pid;
  } lock{0, 0, 0, 0, 0};        // F_RDLCK, SEEK_SET
  constexpr int kSetLock = 37;  // F_OFD_SETLK
  return sys::call(SYS_fcntl, fd, kSetLock, sys::address(&lock));
}

/* Locks, reserves, maps and fills the file behind fd. */
inline SegmentError build_segment(int fd, const Settings& settings, uint64_t now_ns, Segment& segment) {
  const uint64_t size = kLoopsOffset + kLoopStride * settings.loops;
  long result;
  if (!size_limit_allows(size)) return {"the file-size limit is too low", 0};
  if ((result = hold_lock(fd))) return {"cannot lock the segment", -result};
  if ((result = sys::call(SYS_ftruncate, fd, static_cast<long>(size))))
    return {"cannot size the segment", -result};
  if ((result = reserve(fd, kLoopsOffset))) return {"cannot reserve the segment", -result};

  void* at = sys::map(size, sys::kMapShared, fd);
  if (!at) return {"cannot map the segment", 0};
  // Otherwise a forked child could write here, and would keep the lock after its parent's death.
  if ((result = sys::advise(at, size, sys::kAdviseDontFork))) {
    sys::unmap(at, size);
    return {"cannot keep the segment from forked children", -result};
  }
  // MADV_POPULATE_WRITE, by which slots are reserved one by one, is of Linux 5.14.
  segment.reserve_on_demand =
      sys::advise(at, LOOPTAP_PAGE, sys::kAdvisePopulateWrite) == 0 && sys::madvise_works(at, LOOPTAP_PAGE);
  if (!segment.reserve_on_demand && (result = reserve(fd, size))) {
    sys::unmap(at, size);
    return {"cannot reserve the segment", -result};
  }
  auto* bytes = static_cast<unsigned char*>(at);
  segment.header = static_cast<looptap_header*>(at);
  segment.loops = {bytes + kLoopsOffset, kLoopStride, reinterpret_cast<looptap_ring*>(bytes + kRingOffset)};
  segment.size = size;
  segment.slots = settings.loops;
  fill_header(segment.header, settings, size, now_ns);
  return {nullptr, 0};
}

/* Creates the segment. On success `step` is nullptr, and the segment stays mapped until the process ends. */
inline SegmentError create_segment(const Settings& settings, uint64_t now_ns, Segment& segment) {
  if (settings.directory[0] != '/') return {"LOOPTAP_DIR is not an absolute path, or is too long", 0};
  long directory = open_directory(settings.directory);
  if (sys::failed(directory)) return {"cannot open the segment directory", -directory};

  // Pid, PID namespace and time: containers that share the directory may all have a pid 1.
  Text<80> hidden;
  hidden.add(".")
      .add(static_cast<uint64_t>(sys::getpid()))
      .add("-")
      .add(pid_namespace())
      .add("-")
      .add(now_ns);
  const char* name = hidden.bytes + 1;

  SegmentError error{nullptr, 0};
  const int at = static_cast<int>(directory);
  long fd = sys::open_at(
      at, hidden.bytes, sys::kReadWrite | sys::kCreate | sys::kExclusive | sys::kNoFollow | sys::kCloseOnExec,
      0600);
  if (sys::failed(fd)) {
    error = {"cannot create a file in the segment directory", -fd};
  } else {
    error = build_segment(static_cast<int>(fd), settings, now_ns, segment);
    long result = 0;
    if (!error.step) {
      result = sys::call(SYS_fchmod, fd, 0644);
      if (!result)
        result = sys::call(SYS_renameat2, at, sys::address(hidden.bytes), at, sys::address(name), 0);
      if (result) {
        sys::unmap(segment.header, segment.size);
        error = {"cannot publish the segment", -result};
      }
    }
    if (error.step) sys::call(SYS_unlinkat, at, sys::address(hidden.bytes), 0);
    sys::close(static_cast<int>(fd));
  }
  sys::close(at);
  return error;
}

}  // namespace looptap

#endif
