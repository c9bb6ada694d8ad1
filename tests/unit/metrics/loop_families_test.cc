// The series of a loop whose event queue is measured, and of one whose is not.
#include "exporter/metrics/loop_families.h"

#include <protozero/pbf_reader.hpp>

#include "tests/unit/catch.h"

using namespace looptap;

namespace {

constexpr const char* kName = "eventloop_event_queue_seconds";
constexpr uint64_t kMs = 1'000'000;

/// Durations of 2 ms and 2 s (bucket i starts at 2^(i/32 - 20) s), and one that was next to nothing.
DurationHistogram example() {
  DurationHistogram queue;
  queue.zero_count = 1;
  queue.buckets = {{352, 3, 0}, {672, 1, 0}};
  queue.total_ns = 2500 * kMs;
  return queue;
}

LoopSample sample_of(uint32_t ordinal, std::optional<DurationHistogram> queue) {
  LoopSample sample;
  sample.ordinal = ordinal;
  sample.event_queue = std::move(queue);
  return sample;
}

std::string shown(const std::vector<LoopSample>& samples, bool aggregate,
                  ExpositionFormat format = ExpositionFormat::kText) {
  const CollectorSettings settings{{100 * kMs}, aggregate, "fentry"};
  const auto writer = make_writer(format);
  MonotonicCounters counters;
  LoopFamilies families(settings, *writer, counters);
  Snapshot snapshot;
  snapshot.quantiles = {0.5};
  ProcessSnapshot process;
  process.name = "p";
  process.pid = "1";
  uint64_t id = 0;
  for (const LoopSample& sample : samples) {
    LoopSnapshot& loop = process.loops.emplace_back(LoopSnapshot{++id, sample, {}, {}});
    loop.figures = loop_figures(sample, loop.window, {}, {500, snapshot.quantiles});
  }
  families.add(process, snapshot);
  std::vector<MetricFamily> all;
  families.move_to(all);
  return writer->join(std::move(all));
}

}  // namespace

TEST_CASE("an event queue is a histogram of its own") {
  const std::string text = shown({sample_of(0, example())}, false);
  CHECK(text.find("# TYPE eventloop_event_queue_seconds histogram") != std::string::npos);
  const std::string labels = R"({process="p",pid="1",loop="0",thread="")";
  for (const auto& [bound, count] : std::vector<std::pair<const char*, int>>{{"1e-04", 1},
                                                                             {"5e-04", 1},
                                                                             {"0.001", 1},
                                                                             {"0.005", 4},
                                                                             {"0.01", 4},
                                                                             {"0.05", 4},
                                                                             {"0.1", 4},
                                                                             {"0.5", 4},
                                                                             {"1.0", 4},
                                                                             {"5.0", 5},
                                                                             {"10.0", 5},
                                                                             {"+Inf", 5}})
    CHECK(text.find(kName + ("_bucket" + labels) + ",le=\"" + bound + "\"} " + std::to_string(count) +
                    "\n") != std::string::npos);
  CHECK(text.find(kName + ("_sum" + labels) + "} 2.5\n") != std::string::npos);
  CHECK(text.find(kName + ("_count" + labels) + "} 5\n") != std::string::npos);
}

TEST_CASE("where no event queue is measured there is no such metric") {
  CHECK(shown({sample_of(0, std::nullopt)}, false).find(kName) == std::string::npos);
  CHECK(shown({sample_of(0, std::nullopt)}, true).find(kName) == std::string::npos);
}

TEST_CASE("only loops whose event queue is measured have one, also where it is empty") {
  const std::string text = shown({sample_of(0, std::nullopt), sample_of(1, DurationHistogram())}, false);
  CHECK(text.find(std::string(kName) + R"(_count{process="p",pid="1",loop="0")") == std::string::npos);
  CHECK(text.find(std::string(kName) + R"(_count{process="p",pid="1",loop="1",thread=""} 0)") !=
        std::string::npos);
}

TEST_CASE("the event queues of a process add up") {
  const std::string text =
      shown({sample_of(0, example()), sample_of(1, std::nullopt), sample_of(2, example())}, true);
  CHECK(text.find(std::string(kName) + R"(_count{process="p",pid="1"} 10)") != std::string::npos);
  CHECK(text.find(std::string(kName) + R"(_sum{process="p",pid="1"} 5)") != std::string::npos);
}

TEST_CASE("an event queue has native buckets, too") {
  const std::string bytes = shown({sample_of(0, example())}, false, ExpositionFormat::kProtobuf);
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  bool seen = false;
  while (at != end) {
    const uint64_t length = protozero::decode_varint(&at, end);
    protozero::pbf_reader family(at, length);
    at += length;
    if (!family.next(1) || family.get_string() != kName) continue;
    REQUIRE(family.next(4));
    protozero::pbf_reader metric = family.get_message();
    REQUIRE(metric.next(7));
    protozero::pbf_reader histogram = metric.get_message();
    std::vector<int64_t> deltas;
    uint64_t zeros = 0;
    int classic = 0;
    while (histogram.next()) {
      if (histogram.tag() == 3) classic++;
      if (histogram.tag() == 7) {
        zeros = histogram.get_uint64();
      } else if (histogram.tag() == 13) {
        for (const int64_t delta : histogram.get_packed_sint64()) deltas.push_back(delta);
      } else {
        histogram.skip();
      }
    }
    CHECK(classic == 12);
    CHECK(zeros == 1);
    CHECK(deltas == std::vector<int64_t>{3, -2});
    seen = true;
  }
  CHECK(seen);
}
