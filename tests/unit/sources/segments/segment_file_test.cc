// Segments are read: real ones, broken ones, and ones that are being written to.
#include "tests/unit/catch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <thread>

#include "exporter/model/latency.h"
#include "exporter/self/own_metrics.h"
#include "exporter/sources/segments/segment_file.h"
#include "tests/unit/test_segment.h"

using namespace looptap;

namespace {

constexpr uint64_t kMs = 1'000'000;

struct OpenDirectory {
  explicit OpenDirectory(const std::string& path) : fd(open(path.c_str(), O_RDONLY | O_DIRECTORY)) {}
  ~OpenDirectory() { close(fd); }
  int fd;
};

std::unique_ptr<SegmentFile> open_segment(const std::string& directory, Rejection& why) {
  return SegmentFile::open(OpenDirectory(directory).fd, only_file(directory), why);
}
std::unique_ptr<SegmentFile> open_segment(const std::string& directory) {
  Rejection why;
  return open_segment(directory, why);
}

/// Why a segment is rejected after a change to its bytes; "accepted" when it is not.
std::string verdict_after(const std::function<void(std::string& bytes)>& change) {
  TestDirectory directory;
  std::string bytes;
  {
    TestSegment segment(directory.path, 2, "x");
    std::ifstream file(directory.path + "/" + only_file(directory.path), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  change(bytes);
  std::ofstream(directory.path + "/" + only_file(directory.path), std::ios::binary | std::ios::trunc)
      << bytes;
  Rejection why;
  return open_segment(directory.path, why) ? "accepted" : name_of(why);
}

template <typename T>
std::function<void(std::string&)> put(size_t offset, T value) {
  return [=](std::string& bytes) { std::memcpy(bytes.data() + offset, &value, sizeof value); };
}

constexpr size_t kLoopsRegion = offsetof(looptap_header, regions);

}  // namespace

TEST_CASE("what the probe writes is what the reader reads") {
  TestDirectory directory;
  TestSegment segment(directory.path, 16, "shop");
  REQUIRE_FALSE(segment.error.step);
  looptap_loop& loop = segment.begin_loop(0, "main \xff\n\"");
  segment.wait(0, 100 * kMs, 110 * kMs);
  segment.wait(0, 115 * kMs, 120 * kMs);
  segment.wait(0, 120 * kMs + 500, 130 * kMs);

  auto file = open_segment(directory.path);
  REQUIRE(file);
  CHECK(file->identity().name == "shop");
  CHECK(file->identity().pid == static_cast<uint32_t>(getpid()));
  CHECK(file->alive());
  const auto& samples = file->read(200 * kMs, false);
  REQUIRE(samples.size() == 1);
  const LoopSample& sample = samples[0];
  CHECK(sample.ordinal == 0);
  CHECK(sample.thread_name == "main \xEF\xBF\xBD");  // no UTF-8; a thread's name ends at a newline
  CHECK(sample.waits == 3);
  CHECK(sample.iterations.count() == 2);
  CHECK(sample.iterations.zero_count == 1);
  CHECK(sample.iterations.total_ns == 5 * kMs + 500);
  CHECK(sample.iterations.buckets[0].sum_ns == 5 * kMs);
  CHECK(sample.activity == Activity::kAway);
  CHECK(blocked_ns(sample) == 70 * kMs);
  CHECK(loop.waits == 3);
  segment.end_process();
  CHECK_FALSE(file->alive());
}

TEST_CASE("slots that hold nothing are not loops") {
  TestDirectory directory;
  TestSegment segment(directory.path, 4, "");
  auto file = open_segment(directory.path);
  REQUIRE(file);
  CHECK(file->read(0, false).empty());
  CHECK_FALSE(file->identity().name.empty());  // the comm
}

TEST_CASE("files that are not segments are rejected, each with its reason") {
  CHECK(verdict_after([](std::string&) {}) == "accepted");
  CHECK(verdict_after([](std::string& bytes) { bytes.clear(); }) == "foreign");
  CHECK(verdict_after([](std::string& bytes) { bytes = "hello"; }) == "foreign");
  CHECK(verdict_after([](std::string& bytes) { bytes[0] = 'L'; }) == "foreign");
  CHECK(verdict_after(put<uint32_t>(8, 2)) == "version");
  CHECK(verdict_after([](std::string& bytes) { bytes.resize(300); }) == "truncated");
  CHECK(verdict_after([](std::string& bytes) { bytes.resize(bytes.size() - 1); }) == "truncated");
  CHECK(verdict_after(put<uint32_t>(12, 399)) == "malformed");               // header_size
  CHECK(verdict_after(put<uint32_t>(24, 7)) == "malformed");                 // clock
  CHECK(verdict_after(put<uint32_t>(200, 9)) == "malformed");                // region_count
  CHECK(verdict_after(put<uint32_t>(200, 0)) == "malformed");                // no loops
  CHECK(verdict_after(put<uint32_t>(kLoopsRegion + 24, 1)) == "malformed");  // two regions of loops
  CHECK(verdict_after(put<uint32_t>(kLoopsRegion + 4, 0)) == "malformed");
  CHECK(verdict_after(put<uint32_t>(kLoopsRegion + 4, UINT32_MAX)) == "malformed");
  CHECK(verdict_after(put<uint32_t>(kLoopsRegion + 4, 3)) == "malformed");  // one more than fits
  CHECK(verdict_after(put<uint64_t>(kLoopsRegion + 8, UINT64_MAX - 7)) == "malformed");
  CHECK(verdict_after(put<uint64_t>(kLoopsRegion + 8, 8)) == "malformed");  // inside the header
  CHECK(verdict_after(put<uint64_t>(kLoopsRegion + 8, 8193)) == "malformed");
  CHECK(verdict_after(put<uint64_t>(kLoopsRegion + 16, 8)) == "malformed");
  CHECK(verdict_after(put<uint64_t>(kLoopsRegion + 16, 1ull << 63)) == "malformed");
  CHECK(verdict_after(put<char>(80, 'x')) == "other_boot");
  CHECK(verdict_after(put<uint32_t>(kLoopsRegion + 24, 77)) == "accepted");  // a region of a later version
}

TEST_CASE("what is no regular file is rejected without waiting for it") {
  TestDirectory directory;
  Rejection why = Rejection::kForeign;
  SECTION("a FIFO") { REQUIRE(mkfifo((directory.path + "/1").c_str(), 0600) == 0); }
  SECTION("a directory") { REQUIRE(mkdir((directory.path + "/1").c_str(), 0700) == 0); }
  SECTION("a symlink") { REQUIRE(symlink("/proc/self/mem", (directory.path + "/1").c_str()) == 0); }
  CHECK_FALSE(open_segment(directory.path, why));
  CHECK(why == Rejection::kNotAFile);
}

TEST_CASE("a segment that shrinks while it is read is rejected") {
  TestDirectory directory;
  TestSegment segment(directory.path, 2, "x");
  segment.begin_loop(0);
  segment.wait(0, kMs, 2 * kMs);
  auto file = open_segment(directory.path);
  REQUIRE(file->read(3 * kMs, false).size() == 1);
  CHECK_FALSE(file->fault());
  REQUIRE(truncate((directory.path + "/" + only_file(directory.path)).c_str(), 4096) == 0);
  CHECK(file->read(4 * kMs, false).empty());
  CHECK(file->fault() == Rejection::kTruncated);
  segment.segment.header = nullptr;  // nobody may touch the mapping any more
}

TEST_CASE("counters that go back, and instants in the future, are rejected") {
  TestDirectory directory;
  TestSegment segment(directory.path, 2, "x");
  looptap_loop& loop = segment.begin_loop(0);
  segment.wait(0, kMs, 2 * kMs);
  auto file = open_segment(directory.path);
  REQUIRE(file->read(3 * kMs, false).size() == 1);
  SECTION("a counter goes back") {
    loop.waits = 0;
    CHECK(file->read(4 * kMs, false)[0].waits == 1);  // a word may be torn once
    CHECK(file->read(5 * kMs, false).empty());
    CHECK(file->fault() == Rejection::kRegressed);
  }
  SECTION("a loop that moved tomorrow") {
    loop.away_since_ns = monotonic_now_ns() + 86'400'000 * kMs;
    file->read(4 * kMs, false);
    CHECK(file->read(5 * kMs, false).empty());
    CHECK(file->fault() == Rejection::kFuture);
  }
  SECTION("more time than there has been") {
    loop.wait_ns = UINT64_MAX / 2;
    file->read(4 * kMs, false);
    CHECK(file->read(5 * kMs, false).empty());
    CHECK(file->fault() == Rejection::kImplausible);
  }
}

TEST_CASE("a slot in the middle of an update keeps its sample, and is blocked when it stays so") {
  TestDirectory directory;
  TestSegment segment(directory.path, 2, "x");
  looptap_loop& loop = segment.begin_loop(0);
  segment.wait(0, 10 * kMs, 20 * kMs);
  auto file = open_segment(directory.path);
  REQUIRE(file->read(30 * kMs, false)[0].waits == 1);

  const uint64_t before = self::inconsistent_reads().value();
  // The thread goes into its next wait and is stopped before it has counted: the iteration that was shown must
  // not vanish meanwhile.
  looptap_fetch_add(&loop.state, LOOPTAP_ONE_TRANSITION + 1);
  for (const uint64_t now : {31 * kMs, 131 * kMs + 1, 1031 * kMs}) {
    const LoopSample& sample = file->read(now, false)[0];
    CHECK(sample.activity == Activity::kAway);
    CHECK(sample.taken_ns == 30 * kMs);
    CHECK(time_totals(sample).open_iteration_ns == 9 * kMs);
  }
  CHECK(blocked_ns(file->read(1031 * kMs, false)[0]) == 1000 * kMs);
  CHECK(self::inconsistent_reads().value() == before + 4);
  CHECK(file->read(1031 * kMs, true)[0].taken_ns == 30 * kMs);  // also when it is killed there

  looptap_fetch_add(&loop.settled, 1);
  CHECK(file->read(1040 * kMs, false)[0].taken_ns == 1040 * kMs);
  CHECK(blocked_ns(file->read(1040 * kMs, false)[0]) == 0);
}

TEST_CASE("a loop that is first seen dead is taken as it was left") {
  TestDirectory directory;
  TestSegment segment(directory.path, 2, "x");
  looptap_loop& loop = segment.begin_loop(0);
  segment.wait(0, 10 * kMs, 20 * kMs);
  looptap_fetch_add(&loop.state, LOOPTAP_ONE_TRANSITION);
  auto file = open_segment(directory.path);
  CHECK(file->read(30 * kMs, false).empty());
  CHECK(file->read(30 * kMs, true).size() == 1);
}

TEST_CASE("a loop that spins is read, and its figures never go back") {
  TestDirectory directory;
  TestSegment segment(directory.path, 1, "x");
  segment.begin_loop(0);
  std::jthread spinner([&](const std::stop_token& stop) {
    segment.thread.thread_id = 1;
    while (!stop.stop_requested()) {
      const uint64_t from = monotonic_now_ns();
      segment.wait(0, from, monotonic_now_ns());
    }
  });
  auto file = open_segment(directory.path);
  const uint64_t before = self::inconsistent_reads().value();
  uint64_t waits = 0, observed = 0, changes = 0;
  LatencyHistogram last;
  const uint64_t deadline = monotonic_now_ns() + 30'000 * kMs;
  uint64_t reads = 0;
  while (changes < 300 && monotonic_now_ns() < deadline) {
    reads++;
    // At instant 0 no interval is open yet, so that this is about the copies alone: an open interval may be shown
    // longer than it will have been when its thread is held up between its clock and its transition
    // (monotonic_counters.h).
    const auto& samples = file->read(0, false);
    if (samples.empty()) continue;
    const LoopSample& sample = samples[0];
    // Where both share a processor the writer can only go on when the reader lets it.
    if (sample.waits == waits) std::this_thread::yield();
    changes += sample.waits != waits;
    REQUIRE(sample.waits >= waits);
    REQUIRE(time_totals(sample).observed_ns() >= observed);
    waits = sample.waits;
    observed = time_totals(sample).observed_ns();
    const TimeTotals totals = time_totals(sample);
    const LatencyHistogram histogram =
        LatencyDistribution({sample.iterations, totals.wait_ns + totals.poll_ns, totals.open_iteration_ns, 0})
            .histogram({10 * kMs});
    REQUIRE(histogram.counts.size() >= last.counts.size());
    for (size_t k = 0; k < last.counts.size(); k++) REQUIRE(histogram.counts[k] >= last.counts[k]);
    REQUIRE(histogram.zero_count >= last.zero_count);
    last = histogram;
  }
  INFO(reads << " reads, " << self::inconsistent_reads().value() - before << " inconsistent, " << waits
             << " waits");
  CHECK(changes >= 300);
}
