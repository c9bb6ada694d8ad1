#include "exporter/sources/segments/segment_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <utility>

#include "exporter/base/descriptor.h"
#include "exporter/base/label_text.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/self/shortage.h"

namespace looptap {

namespace {

constexpr uint64_t kSlack_ns = 1'000'000'000;

/// Of the descriptors. /proc files stop at half, so that segments, which are read more often, come first; the rest is for the
/// web server and for what is opened for a moment.
constexpr unsigned kShare_percent = 75;

/// \return what was read, or -errno.
ssize_t read_at(int fd, void* to, size_t size, uint64_t offset) {
  ssize_t got;
  do {
    got = pread(fd, to, size, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

/// For who has no file yet to say why not. \throws self::Shortage
bool read_exactly(int fd, void* to, size_t size, uint64_t offset) {
  const ssize_t got = read_at(fd, to, size, offset);
  if (got < 0 && self::is_shortage(static_cast<int>(-got)))
    throw self::Shortage(static_cast<int>(-got), "cannot read a segment");
  return got == static_cast<ssize_t>(size);
}

int open_file(int directory, const std::string& name) {
  // O_NONBLOCK: a FIFO would keep us waiting for its writer.
  return openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/// Empty: it cannot be told.
std::string read_boot_id() {
  std::string line;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> line;
  return line;
}

/// Asked again while it cannot be told.
const std::string& boot_id() {
  static std::string id;
  if (id.empty()) id = read_boot_id();
  return id;
}

std::string text_of(const char* bytes, size_t size) {
  return label_text(std::string_view(bytes, strnlen(bytes, size)));
}

}  // namespace

bool SegmentFile::Memory::read(uint64_t offset, void* to, size_t size) const {
  const ssize_t got = read_at(fd, to, size, offset);
  is_short = got < 0 && self::is_shortage(static_cast<int>(-got));
  if (is_short) self::tell_of_shortage(static_cast<int>(-got), "cannot read a segment");
  return got == static_cast<ssize_t>(size);
}

class SegmentFile::Look {
 public:
  explicit Look(SegmentFile& file) : result(file.attach()), file_(file) {}
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;
  ~Look() { file_.detach(); }
  const Attached result;

 private:
  SegmentFile& file_;
};

SegmentFile::Attached SegmentFile::attach() {
  if (memory_.fd >= 0) return Attached::kOpen;
  Descriptor opened(open_file(directory_, name_));
  struct stat facts;
  if (opened.get() < 0 || fstat(opened.get(), &facts) != 0) {
    if (!self::is_shortage(errno)) return Attached::kGone;
    self::tell_of_shortage(errno, "cannot open a segment");
    return Attached::kNotNow;
  }
  if (facts.st_dev != device_ || facts.st_ino != inode_) return Attached::kGone;
  stays_open_ = may_stay_open(opened.get(), kShare_percent);
  memory_.fd = opened.release();
  return Attached::kOpen;
}

void SegmentFile::detach() {
  if (memory_.fd >= 0 && !stays_open_) close(std::exchange(memory_.fd, -1));
}

std::unique_ptr<SegmentFile> SegmentFile::open(int directory, const std::string& name, Rejection& why) {
  Descriptor opened(open_file(directory, name));
  struct stat facts;
  if (opened.get() < 0 || fstat(opened.get(), &facts) != 0) {
    if (self::is_shortage(errno)) throw self::Shortage(errno, "cannot open a segment");
    why = errno == ELOOP || errno == ENXIO ? Rejection::kNotAFile : Rejection::kUnreadable;
    return nullptr;
  }
  looptap_header header;
  if (const auto fault = find_fault(opened.get(), facts, header)) {
    why = *fault;
    return nullptr;
  }
  std::unique_ptr<SegmentFile> file(new SegmentFile(directory, name, opened.get(), facts, header));
  opened.release();
  file->detach();
  return file;
}

std::optional<Rejection> SegmentFile::find_fault(int fd, const struct stat& facts, looptap_header& header) {
  if (!S_ISREG(facts.st_mode)) return Rejection::kNotAFile;
  const auto size = static_cast<uint64_t>(facts.st_size);

  // Magic and version first: what follows may look different in other versions.
  memset(&header, 0, sizeof header);
  if (size < offsetof(looptap_header, header_size)) return Rejection::kForeign;
  if (!read_exactly(fd, &header, offsetof(looptap_header, header_size), 0)) return Rejection::kUnreadable;
  if (memcmp(header.magic, LOOPTAP_MAGIC, sizeof header.magic) != 0) return Rejection::kForeign;
  if (header.version != LOOPTAP_LAYOUT_VERSION) return Rejection::kVersion;
  if (size < sizeof header) return Rejection::kTruncated;
  if (!read_exactly(fd, &header, sizeof header, 0)) return Rejection::kUnreadable;
  if (header.header_size < sizeof header || header.clock != LOOPTAP_CLOCK_MONOTONIC)
    return Rejection::kMalformed;
  if (header.file_size > size) return Rejection::kTruncated;
  if (header.region_count > LOOPTAP_MOST_REGIONS) return Rejection::kMalformed;

  const looptap_region* loops = nullptr;
  for (uint32_t i = 0; i < header.region_count; i++) {
    const looptap_region& region = header.regions[i];
    if (region.kind != LOOPTAP_REGION_LOOPS) continue;  // kinds we do not know, or do not need
    if (loops) return Rejection::kMalformed;
    loops = &region;
  }
  if (!loops || loops->count == 0 || loops->count > LOOPTAP_MOST_LOOPS) return Rejection::kMalformed;
  if (loops->stride < sizeof(looptap_loop) || loops->stride > (1u << 20) || loops->stride % 8 ||
      loops->offset % 8 || loops->offset < header.header_size)
    return Rejection::kMalformed;
  // No overflow: count and stride are small by now.
  if (loops->offset > header.file_size || loops->count * loops->stride > header.file_size - loops->offset)
    return Rejection::kMalformed;

  const std::string boot(header.boot_id, strnlen(header.boot_id, sizeof header.boot_id));
  if (!boot.empty() && !boot_id().empty() && boot != boot_id()) return Rejection::kOtherBoot;
  return std::nullopt;
}

SegmentFile::SegmentFile(int directory, std::string name, int fd, const struct stat& facts,
                         const looptap_header& header)
    : directory_(directory),
      name_(std::move(name)),
      device_(facts.st_dev),
      inode_(facts.st_ino),
      owner_(facts.st_uid),
      stays_open_(may_stay_open(fd, kShare_percent)),
      reader_(memory_) {
  identity_.name = text_of(header.name, sizeof header.name);
  if (identity_.name.empty()) identity_.name = text_of(header.comm, sizeof header.comm);
  wrong_settings_ = header.wrong_settings;
  identity_.pid = header.pid;
  identity_.pid_namespace = header.pid_namespace;
  identity_.start_ticks = header.start_ticks;
  identity_.created_ns = header.created_ns;
  for (uint32_t i = 0; i < header.region_count; i++)
    if (header.regions[i].kind == LOOPTAP_REGION_LOOPS) loops_ = header.regions[i];
  take_counts(header.loops_used, header.loops_dropped);
  memory_.fd = fd;  // at last: whoever made this keeps it where anything has thrown
}

SegmentFile::~SegmentFile() {
  if (memory_.fd >= 0) close(memory_.fd);
}

void SegmentFile::take_counts(uint64_t used, uint64_t dropped) {
  loops_used_ = static_cast<uint32_t>(std::min<uint64_t>(used, loops_.count));
  loops_dropped_ = dropped;
}

SegmentFile::Life SegmentFile::life() {
  const Look look(*this);
  if (look.result == Attached::kNotNow) return {Life::kUnknown};
  if (look.result == Attached::kGone) return {Life::kDead};
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(memory_.fd, F_OFD_GETLK, &lock) != 0) {
    if (!self::is_shortage(errno)) return {Life::kDead};  // a file system without such locks
    self::tell_of_shortage(errno, "cannot ask for a segment's lock");
    return {Life::kUnknown};
  }
  if (lock.l_type != F_UNLCK) return {Life::kAlive};
  uint64_t exited_ns = 0;
  if (memory_.read(offsetof(looptap_header, exited_ns), &exited_ns, sizeof exited_ns))
    return {Life::kDead, exited_ns};
  return {memory_.is_short ? Life::kUnknown : Life::kDead};
}

const std::vector<LoopSample>& SegmentFile::read(uint64_t now_ns, bool settled_for_good, uint32_t most) {
  const Look look(*this);
  if (look.result != Attached::kOpen) return reader_.samples();
  const uint64_t clock_ns = std::max(now_ns, monotonic_now_ns());  // the dead are read as of their death
  if (identity_.created_ns > clock_ns + kSlack_ns) reader_.reject(Rejection::kFuture);
  struct {
    uint64_t used, dropped;
  } loops{};
  static_assert(offsetof(looptap_header, loops_dropped) == offsetof(looptap_header, loops_used) + 8);
  if (memory_.read(offsetof(looptap_header, loops_used), &loops, sizeof loops))
    take_counts(loops.used, loops.dropped);
  else if (!memory_.is_short)
    reader_.reject(Rejection::kTruncated);
  const uint32_t wanted = std::min(loops_used_, most);
  reader_.forget_from(most);
  for (uint32_t ordinal = 0; ordinal < wanted; ordinal++)
    if (!reader_.read(ordinal, loops_.offset + loops_.stride * ordinal, now_ns, settled_for_good)) break;
  return reader_.samples();
}

}  // namespace looptap
