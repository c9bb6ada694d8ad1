#include "exporter/sources/segments/segment_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>

#include "exporter/base/label_text.h"
#include "exporter/base/monotonic_clock.h"

namespace looptap {

namespace {

constexpr uint64_t kSlack_ns = 1'000'000'000;

bool read_exactly(int fd, void* to, size_t size, uint64_t offset) {
  ssize_t got;
  do {
    got = pread(fd, to, size, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(size);
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string line;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> line;
    return line;
  }();
  return id;
}

std::string text_of(const char* bytes, size_t size) {
  return label_text(std::string_view(bytes, strnlen(bytes, size)));
}

}  // namespace

bool SegmentFile::Memory::read(uint64_t offset, void* to, size_t size) const {
  return read_exactly(fd, to, size, offset);
}

std::unique_ptr<SegmentFile> SegmentFile::open(int directory, const std::string& name, Rejection& why) {
  // O_NONBLOCK: a FIFO would keep us waiting for its writer.
  const int fd = openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) {
    why = errno == ELOOP || errno == ENXIO ? Rejection::kNotAFile : Rejection::kUnreadable;
    return nullptr;
  }
  looptap_header header;
  if (const auto fault = find_fault(fd, header)) {
    close(fd);
    why = *fault;
    return nullptr;
  }
  return std::unique_ptr<SegmentFile>(new SegmentFile(fd, header));
}

std::optional<Rejection> SegmentFile::find_fault(int fd, looptap_header& header) {
  struct stat facts;
  if (fstat(fd, &facts)) return Rejection::kUnreadable;
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

SegmentFile::SegmentFile(int fd, const looptap_header& header) : fd_(fd), memory_(fd), reader_(memory_) {
  identity_.name = text_of(header.name, sizeof header.name);
  if (identity_.name.empty()) identity_.name = text_of(header.comm, sizeof header.comm);
  identity_.pid = header.pid;
  identity_.pid_namespace = header.pid_namespace;
  identity_.start_ticks = header.start_ticks;
  identity_.created_ns = header.created_ns;
  for (uint32_t i = 0; i < header.region_count; i++)
    if (header.regions[i].kind == LOOPTAP_REGION_LOOPS) loops_ = header.regions[i];
}

SegmentFile::~SegmentFile() { close(fd_); }

bool SegmentFile::alive() const {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

uint64_t SegmentFile::exited_ns() const {
  uint64_t value = 0;
  return read_exactly(fd_, &value, sizeof value, offsetof(looptap_header, exited_ns)) ? value : 0;
}

const std::vector<LoopSample>& SegmentFile::read(uint64_t now_ns, bool settled_for_good) {
  const uint64_t clock_ns = std::max(now_ns, monotonic_now_ns());  // the dead are read as of their death
  if (identity_.created_ns > clock_ns + kSlack_ns) reader_.reject(Rejection::kFuture);
  struct {
    uint64_t used, dropped;
  } loops{};
  static_assert(offsetof(looptap_header, loops_dropped) == offsetof(looptap_header, loops_used) + 8);
  if (!memory_.read(offsetof(looptap_header, loops_used), &loops, sizeof loops))
    reader_.reject(Rejection::kTruncated);
  else
    loops_dropped_ = loops.dropped;
  const auto used = static_cast<uint32_t>(std::min<uint64_t>(loops.used, loops_.count));
  for (uint32_t ordinal = 0; ordinal < used; ordinal++)
    if (!reader_.read(ordinal, loops_.offset + loops_.stride * ordinal, now_ns, settled_for_good)) break;
  return reader_.samples();
}

}  // namespace looptap
