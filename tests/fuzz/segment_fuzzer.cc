// libFuzzer over the way of a segment as untrusted input: opened, validated, read again and again while it
// changes and shrinks, also between two reads of one copy, and shown in every format.
//
// An input is a program that edits a segment (corpus/segment; write_segment_corpus.py has the mnemonics), since
// whole segments are 20 KB of mostly zeros. It starts from a good one with two loops whose process lives:
//
//   0 OFFSET16 LENGTH8 BYTES...              write into the header
//   1 SLOT8 WORD16 VALUE64                   write one word of a slot
//   2 SLOT8 WORD16 COUNT16 VALUE64           fill words of a slot
//   3 READS8                                 what follows happens only after so many more reads
//   4 SIZE32                                 change the file's size
//   5 BYTES...                               the rest is the whole file
//   6 SECONDS8                               (at once) so much later
//   7                                        (at once) look once more
//   8                                        (at once) its process dies
//
// "Reads" are calls of pread, which the linker wraps (-Wl,--wrap=pread).

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <string>
#include <vector>

#include "exporter/base/log.h"
#include "exporter/base/monotonic_clock.h"
#include "exporter/metrics/exposition/exposition.h"
#include "exporter/metrics/loop_collector.h"
#include "exporter/model/latency_window.h"
#include "exporter/monitor/loop_monitor.h"
#include "exporter/sources/segments/segment_file.h"
#include "exporter/sources/segments/segment_source.h"

namespace {

using namespace looptap;

constexpr uint32_t kLoops = 2;
constexpr unsigned kMostLooks = 10;  // more are slow and show nothing new
constexpr uint64_t kSecond_ns = 1'000'000'000;
constexpr const char* kName = "1-1-1";

struct Image {
  looptap_header header;
  uint64_t padding[14];  // regions start at multiples of 8
  looptap_loop loops[kLoops];
};

/// A memory of instructions, read without ever running over its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool is_empty() const { return at_ == end_; }
  template <typename Number>
  Number number() {
    Number value{};
    const size_t got = std::min<size_t>(sizeof value, static_cast<size_t>(end_ - at_));
    memcpy(&value, at_, got);
    at_ += got;
    return value;
  }
  std::string bytes(size_t most) {
    const size_t got = std::min<size_t>(most, static_cast<size_t>(end_ - at_));
    std::string text(reinterpret_cast<const char*>(at_), got);
    at_ += got;
    return text;
  }

 private:
  const uint8_t *at_, *end_;
};

/// One change of the file, due when as many reads have been made.
struct Edit {
  uint64_t due = 0;
  uint64_t offset = 0;
  std::string bytes;
  int64_t size = -1;  // the file's new size; -1: as it is
};

class File {
 public:
  File() {
    directory_ = "/dev/shm/looptap-fuzz-XXXXXX";
    if (!mkdtemp(directory_.data())) abort();
    path_ = directory_ + "/" + kName;
    writer_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    descriptor_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (writer_ < 0 || descriptor_ < 0) abort();

    looptap_header& header = image_.header;
    memcpy(header.magic, LOOPTAP_MAGIC, sizeof header.magic);
    header.version = LOOPTAP_LAYOUT_VERSION;
    header.header_size = sizeof header;
    header.file_size = sizeof image_;
    header.clock = LOOPTAP_CLOCK_MONOTONIC;
    header.pid = 1;
    header.pid_namespace = 1;
    header.loops_used = kLoops;
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    boot.copy(header.boot_id, sizeof header.boot_id - 1);
    memcpy(header.comm, "fuzzed", 6);
    header.region_count = 1;
    header.regions[0] = {LOOPTAP_REGION_LOOPS, kLoops, offsetof(Image, loops), sizeof(looptap_loop)};
    for (looptap_loop& loop : image_.loops) {
      loop.owner = 1;
      loop.state = LOOPTAP_SLEEPING | 1;
      loop.deadline_ns = LOOPTAP_NO_DEADLINE;
    }
  }
  ~File() {
    unlink(path_.c_str());
    unlink((directory_ + "/.janitor").c_str());
    rmdir(directory_.c_str());
  }

  /// The good segment of a living process, whatever was made of it before.
  void restore() {
    edits_.clear();
    reads_ = 0;
    if (ftruncate(writer_, sizeof image_) != 0) abort();
    write(0, &image_, sizeof image_);
    set_alive(true);
  }
  void set_alive(bool alive) {
    struct flock lock {};
    lock.l_type = alive ? F_RDLCK : F_UNLCK;
    lock.l_whence = SEEK_SET;
    if (fcntl(writer_, F_OFD_SETLK, &lock) != 0) abort();
  }
  void add(Edit edit) {
    edits_.push_back(std::move(edit));
    make_due_edits();
  }
  void count_read() {
    reads_++;
    make_due_edits();
  }
  uint64_t reads() const { return reads_; }
  int descriptor() const { return descriptor_; }
  const std::string& directory() const { return directory_; }

 private:
  void write(uint64_t offset, const void* bytes, size_t size) {
    if (pwrite(writer_, bytes, size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size)) abort();
  }
  void make_due_edits() {
    for (; !edits_.empty() && edits_.front().due <= reads_; edits_.pop_front()) {
      const Edit& edit = edits_.front();
      if (edit.size >= 0 && ftruncate(writer_, edit.size) != 0) abort();
      if (!edit.bytes.empty()) write(edit.offset, edit.bytes.data(), edit.bytes.size());
    }
  }

  std::string directory_, path_;
  int writer_ = -1, descriptor_ = -1;
  Image image_{};
  std::deque<Edit> edits_;
  uint64_t reads_ = 0;
};

File* g_file;  // nullptr until the first input

/// What the exporter does with a segment from look to look, at instants of our choice.
class Looks {
 public:
  explicit Looks(uint64_t now_ns) : now_ns_(now_ns) {
    Rejection why{};
    segment_ = SegmentFile::open(g_file->descriptor(), kName, why);
    if (!segment_) (void)name_of(why);
  }
  void later(uint64_t ns) { now_ns_ += ns; }
  void die() { dead_ = true; }

  void look() {
    if (!segment_ || looks_++ == kMostLooks) return;
    (void)segment_->alive();
    (void)segment_->exited_ns();
    (void)segment_->loops_dropped();
    for (const LoopSample& sample : segment_->read(now_ns_, dead_)) {
      if (sample.ordinal >= kLoops) continue;
      (void)blocked_ns(sample);
      for (LatencyWindow* windows : {whole_, recent_}) {
        LatencyWindow& window = windows[sample.ordinal];
        const Observed observed = window.observed(sample);
        const LatencyDistribution distribution(observed);
        for (const double q : {0.0, 0.5, 0.99, 1.0}) (void)distribution.quantile(q);
        (void)duration_quantiles(observed.iterations, {0.0, 0.5, 0.99, 1.0});
        LatencyHistogram histogram = distribution.histogram(bounds_);
        (void)histogram.classic(bounds_);
        window.tick(sample);
      }
      merged_.add(sample.iterations);
      (void)duration_histogram(merged_, bounds_);
      (void)LatencyDistribution({merged_, sample.wait_ns, sample.poll_ns, 0});
    }
  }

 private:
  const Bounds bounds_ = {1, 1'000'000, 100'000'000, 10 * kSecond_ns, 9'000'000'000'000'000'000};
  std::unique_ptr<SegmentFile> segment_;
  LatencyWindow whole_[kLoops];
  LatencyWindow recent_[kLoops] = {LatencyWindow(LoopSample()), LatencyWindow(LoopSample())};
  DurationHistogram merged_;  // of loops, as an aggregate is
  uint64_t now_ns_;
  bool dead_ = false;
  unsigned looks_ = 0;
};

void check_text(const std::string& text) {
  // Labels are escaped: a line is never cut.
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos || end == at) abort();
    if (text[at] != '#' && text.compare(at, 10, "eventloop_") != 0 && text.compare(at, 8, "looptap_") != 0)
      abort();
    at = end + 1;
  }
}

/// One edit, or one of the words that act at once; false where those begin.
void run(Input input, uint64_t& due, const auto& at_once) {
  while (!input.is_empty()) {
    const uint8_t what = input.number<uint8_t>() % 9;
    Edit edit;
    switch (what) {
      case 0: {
        edit.offset = input.number<uint16_t>() % sizeof(looptap_header);
        edit.bytes = input.bytes(std::min<size_t>(input.number<uint8_t>(), sizeof(Image) - edit.offset));
        break;
      }
      case 1:
      case 2: {
        const uint64_t slot = input.number<uint8_t>() % kLoops;
        constexpr uint64_t kWords = sizeof(looptap_loop) / 8;
        const uint64_t word = input.number<uint16_t>() % kWords;
        const uint64_t count = what == 1 ? 1 : std::min<uint64_t>(input.number<uint16_t>(), kWords - word);
        const auto value = input.number<uint64_t>();
        edit.offset = offsetof(Image, loops) + slot * sizeof(looptap_loop) + word * 8;
        for (uint64_t i = 0; i < count; i++)
          edit.bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
        break;
      }
      case 3:
        due = std::max(due, g_file->reads()) + input.number<uint8_t>();
        continue;
      case 4:
        edit.size = input.number<uint32_t>() % (2 * sizeof(Image));
        break;
      case 5:
        edit.size = 0;
        edit.bytes = input.bytes(sizeof(Image));
        break;
      default:
        at_once(what, what == 6 ? input.number<uint8_t>() : 0);
        continue;
    }
    edit.due = due;
    g_file->add(std::move(edit));
  }
}

}  // namespace

extern "C" ssize_t __real_pread(int fd, void* to, size_t size, off_t offset);
extern "C" ssize_t __wrap_pread(int fd, void* to, size_t size, off_t offset) {
  const ssize_t got = __real_pread(fd, to, size, offset);
  if (g_file) g_file->count_read();
  return got;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static File file;
  if (!g_file) {
    g_file = &file;
    set_log_level(LogLevel::kError);
  }

  // The reader and the mathematics, at instants of our choice.
  file.restore();
  uint64_t due = 0;
  {
    std::unique_ptr<Looks> looks;
    const auto begun = [&]() -> Looks& {
      if (!looks) looks = std::make_unique<Looks>(1000 * kSecond_ns);
      return *looks;
    };
    run(Input(data, size), due, [&](uint8_t what, uint8_t seconds) {
      if (what == 6) begun().later(seconds * kSecond_ns);
      if (what == 7) begun().look();
      if (what == 8) begun().die();
    });
    begun().look();
    begun().look();
  }

  // The whole exporter but its server and its thread, from now on.
  file.restore();
  due = 0;
  uint64_t now_ns = monotonic_now_ns();
  std::unique_ptr<LoopMonitor> monitor;
  std::unique_ptr<LoopCollector> collector;
  const auto begin = [&] {
    if (monitor) return;
    std::vector<std::unique_ptr<LoopSource>> sources;
    sources.push_back(std::make_unique<SegmentSource>(file.directory(), 3600 * kSecond_ns));
    LoopMonitor::Settings watch;
    watch.window_ns = 12 * kSecond_ns;
    watch.stall_threshold_ns = 100'000'000;
    watch.quantiles = {0.5, 0.99};
    watch.on_stall = [](const StallEvent&) {};
    monitor = std::make_unique<LoopMonitor>(std::move(sources), std::move(watch));
    CollectorSettings settings{};
    settings.latency_bounds_ns = {1'000'000, 100'000'000, 10 * kSecond_ns};
    collector = std::make_unique<LoopCollector>(*monitor, settings);
  };
  constexpr ExpositionFormat kFormats[] = {ExpositionFormat::kProtobuf, ExpositionFormat::kText,
                                           ExpositionFormat::kOpenMetrics};
  const auto show = [&](ExpositionFormat format) {
    begin();
    const std::string body = collector->collect(format);
    if (format != ExpositionFormat::kProtobuf) check_text(body);
  };
  unsigned shows = 0, keeps = 0;
  run(Input(data, size), due, [&](uint8_t what, uint8_t seconds) {
    if (what == 6 && keeps++ < kMostLooks) {
      begin();
      now_ns += seconds % 16 * kSecond_ns;
      while (monitor->tick(now_ns) <= now_ns) continue;
    }
    if (what == 7 && shows < std::size(kFormats)) show(kFormats[shows++]);
    if (what == 8) file.set_alive(false);
  });
  for (const ExpositionFormat format : kFormats) show(format);
  return 0;
}
