#include "exporter/segment_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>

#include "exporter/label_text.h"
#include "exporter/monotonic_clock.h"

namespace looptap {

namespace {

constexpr int kCopyAttempts = 100;
constexpr unsigned kFaultyReads = 2;
constexpr int kStillAttempts = 8;  // that insist on a loop that stands still

/// A slot up to its histograms: what the loop does now, and whether somebody is counting. Not a looptap_loop
/// of 22 KB: civetweb's threads have stacks of 100 KB.
struct Head {
  static constexpr size_t kSize = offsetof(looptap_loop, iterations);
  uint64_t words[kSize / 8];

  uint64_t state() const { return words[offsetof(looptap_loop, state) / 8]; }
  uint64_t settled() const { return words[offsetof(looptap_loop, settled) / 8]; }
  uint64_t away_since_ns() const { return words[offsetof(looptap_loop, away_since_ns) / 8]; }
  uint64_t wait_since_ns() const { return words[offsetof(looptap_loop, wait_since_ns) / 8]; }
  uint64_t long_begun() const { return words[offsetof(looptap_loop, long_begun) / 8]; }
  uint64_t long_settled() const { return words[offsetof(looptap_loop, long_settled) / 8]; }

  bool is_settled() const { return state() >> 24 == (settled() & LOOPTAP_TRANSITIONS); }
  bool same_state(const Head& other) const {
    return state() == other.state() && settled() == other.settled();
  }
};

bool read_exactly(int fd, void* to, size_t size, uint64_t offset) {
  ssize_t got;
  do {
    got = pread(fd, to, size, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(size);
}

bool read_head(int fd, uint64_t offset, Head& head) {
  // Each read of memory comes after the one before it.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool ok = read_exactly(fd, head.words, Head::kSize, offset);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return ok;
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

void copy_buckets(const uint64_t* counts, const uint64_t* sums, DurationHistogram& histogram) {
  histogram.buckets.clear();
  for (uint32_t i = 0; i < LOOPTAP_BUCKETS; i++)
    if (counts[i])
      histogram.buckets.push_back(
          {i, counts[i], sums && i >= LOOPTAP_FIRST_SUMMED ? sums[i - LOOPTAP_FIRST_SUMMED] : 0});
}

void fill_sample(const looptap_loop& loop, uint32_t ordinal, uint64_t now_ns, LoopSample& sample) {
  sample.ordinal = ordinal;
  sample.thread_name = text_of(loop.thread_name, sizeof loop.thread_name);
  sample.thread_id = loop.thread_id;
  sample.waits = loop.waits;
  sample.events = loop.events;
  sample.wait_ns = loop.wait_ns;
  sample.poll_ns = loop.poll_ns;
  copy_buckets(loop.iterations, loop.iteration_sums_ns, sample.iterations);
  sample.iterations.zero_count = loop.zero_iterations;
  sample.iterations.total_ns = loop.short_iterations_ns;
  for (const auto& bucket : sample.iterations.buckets)
    sample.iterations.total_ns = sum_of(sample.iterations.total_ns, bucket.sum_ns);
  copy_buckets(loop.wakeup_delays, nullptr, sample.wakeup_delays);
  sample.wakeup_delays.zero_count = loop.zero_wakeup_delays;
  sample.wakeup_delays.total_ns = loop.wakeup_delay_ns;

  sample.nested = loop.state & LOOPTAP_NESTED;
  sample.deadline_ns = loop.state & LOOPTAP_SHARED ? LOOPTAP_NO_DEADLINE : loop.deadline_ns;
  sample.activity_since_ns = loop.state & LOOPTAP_WAITERS ? loop.wait_since_ns : loop.away_since_ns;
  sample.activity = loop.state & LOOPTAP_WAITERS
                        ? (loop.state & LOOPTAP_SLEEPING ? Activity::kWaiting : Activity::kPolling)
                    : loop.state & LOOPTAP_DORMANT ? Activity::kDormant
                                                   : Activity::kAway;
  sample.taken_ns = now_ns;
  sample.stuck_for_ns = 0;
}

/// Whether a counter of a histogram is less than it was.
bool has_regressed(const DurationHistogram& before, const DurationHistogram& now) {
  if (now.zero_count < before.zero_count || now.total_ns < before.total_ns) return true;
  auto at = now.buckets.begin();
  for (const auto& bucket : before.buckets) {
    while (at != now.buckets.end() && at->index < bucket.index) ++at;
    if (at == now.buckets.end() || at->index != bucket.index || at->count < bucket.count) return true;
  }
  return false;
}

constexpr uint64_t kSlack_ns = 1'000'000'000;

/// What cannot be in a sample, whoever wrote it: with this, sums of whatever is shown do not overflow.
std::optional<Rejection> fault_of(const LoopSample& sample, uint64_t now_ns) {
  const uint64_t most = now_ns + kSlack_ns;  // no loop is older than the machine
  if (sample.activity != Activity::kDormant && sample.activity_since_ns > most) return Rejection::kFuture;
  const uint64_t observed_ns = sum_of(sum_of(sample.wait_ns, sample.poll_ns), sample.iterations.total_ns);
  if (observed_ns > most || sample.waits > most || sample.iterations.count() > most ||
      sample.wakeup_delays.count() > most)
    return Rejection::kImplausible;
  return std::nullopt;
}

std::optional<Rejection> fault_of(const LoopSample& before, const LoopSample& now) {
  if (now.waits < before.waits || now.events < before.events || now.wait_ns < before.wait_ns ||
      now.poll_ns < before.poll_ns || has_regressed(before.iterations, now.iterations) ||
      has_regressed(before.wakeup_delays, now.wakeup_delays))
    return Rejection::kRegressed;
  return std::nullopt;
}

}  // namespace

const char* name_of(Rejection rejection) {
  switch (rejection) {
    case Rejection::kNotAFile:
      return "not_a_file";
    case Rejection::kUnreadable:
      return "unreadable";
    case Rejection::kForeign:
      return "foreign";
    case Rejection::kVersion:
      return "version";
    case Rejection::kTruncated:
      return "truncated";
    case Rejection::kMalformed:
      return "malformed";
    case Rejection::kOtherBoot:
      return "other_boot";
    case Rejection::kFuture:
      return "future";
    case Rejection::kImplausible:
      return "implausible";
    case Rejection::kRegressed:
      return "regressed";
    case Rejection::kTooMany:
      return "too_many";
  }
  return "unknown";
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

SegmentFile::SegmentFile(int fd, const looptap_header& header)
    : fd_(fd), file_size_(header.file_size), copy_(std::make_unique<looptap_loop>()) {
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

uint64_t SegmentFile::loops_dropped() const {
  uint64_t value = 0;
  return read_exactly(fd_, &value, sizeof value, offsetof(looptap_header, loops_dropped)) ? value : 0;
}

bool SegmentFile::copy_slot(uint32_t ordinal, uint64_t now_ns, bool take_unsettled, looptap_loop& copy) {
  const uint64_t offset = loops_.offset + loops_.stride * ordinal;
  Slot& slot = slots_[ordinal];
  Head before, after;

  for (int attempt = 0; attempt < kCopyAttempts; attempt++) {
    if (!read_head(fd_, offset, before)) return false;
    if (!before.is_settled() && !take_unsettled) continue;
    if (!read_exactly(fd_, &copy, sizeof copy, offset) || !read_head(fd_, offset, after)) return false;
    if (before.same_state(after)) return true;

    // A loop that spins is never still for as long as a copy takes. Its counters, each read whole, only grow
    // by themselves, and are good when nothing in them contradicts what was said before: counts and sums
    // belong together, and the iteration that was shown as open had been counted before the copy began.
    const bool shown_is_closed = before.state() != slot.published_state;
    const bool long_stood_still =
        before.long_begun() == before.long_settled() && before.long_begun() == after.long_begun();
    if (shown_is_closed && long_stood_still && attempt >= kStillAttempts) {
      copy.state = after.state();
      copy.away_since_ns = after.away_since_ns();
      copy.wait_since_ns = after.wait_since_ns();
      copy.deadline_ns = LOOPTAP_NO_DEADLINE;
      return true;
    }
  }
  if (!slot.stuck_since_ns || before.state() != slot.stuck_state || before.settled() != slot.stuck_settled) {
    slot.stuck_state = before.state();
    slot.stuck_settled = before.settled();
    slot.stuck_since_ns = now_ns;
  }
  inconsistent_reads_++;
  return false;
}

const std::vector<LoopSample>& SegmentFile::read(uint64_t now_ns, bool settled_for_good) {
  struct stat facts;
  if (!fault_ && fstat(fd_, &facts) == 0 && static_cast<uint64_t>(facts.st_size) < file_size_)
    fault_ = Rejection::kTruncated;
  const uint64_t clock_ns = std::max(now_ns, monotonic_now_ns());  // the dead are read as of their death
  if (!fault_ && identity_.created_ns > clock_ns + kSlack_ns) fault_ = Rejection::kFuture;
  if (fault_) samples_.clear();
  if (fault_) return samples_;

  uint64_t used = 0;
  if (!read_exactly(fd_, &used, sizeof used, offsetof(looptap_header, loops_used))) return samples_;
  used = std::min<uint64_t>(used, loops_.count);
  if (slots_.size() < used) slots_.resize(used);

  looptap_loop& copy = *copy_;
  for (uint32_t ordinal = 0; ordinal < used; ordinal++) {
    uint64_t owner = 0;
    if (!read_exactly(fd_, &owner, sizeof owner,
                      loops_.offset + loops_.stride * ordinal + offsetof(looptap_loop, owner)) ||
        owner == 0)
      continue;
    auto place =
        std::lower_bound(samples_.begin(), samples_.end(), ordinal,
                         [](const LoopSample& sample, uint32_t wanted) { return sample.ordinal < wanted; });
    const bool seen_before = place != samples_.end() && place->ordinal == ordinal;
    Slot& slot = slots_[ordinal];
    if (copy_slot(ordinal, now_ns, settled_for_good && !seen_before, copy)) {
      LoopSample sample;
      fill_sample(copy, ordinal, now_ns, sample);
      auto fault = fault_of(sample, clock_ns);
      if (!fault && seen_before) fault = fault_of(*place, sample);
      if (fault) {
        // Not at once: nobody promises that a copy of a word that changes is all old or all new.
        inconsistent_reads_++;
        if (++slot.faults >= kFaultyReads) {
          fault_ = fault;
          samples_.clear();
          return samples_;
        }
        continue;
      }
      slot.faults = 0;
      if (seen_before)
        *place = std::move(sample);
      else
        samples_.insert(place, std::move(sample));
      slot.published_state = copy.state;
      slot.stuck_since_ns = 0;
    } else if (seen_before && slot.stuck_since_ns) {
      place->stuck_for_ns = now_ns > slot.stuck_since_ns ? now_ns - slot.stuck_since_ns : 0;
    }
  }
  return samples_;
}

}  // namespace looptap
