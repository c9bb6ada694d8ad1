#include "exporter/self/own_metrics.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "exporter/self/own_families.h"
#include "tests/unit/catch.h"

using namespace looptap;

namespace {

/// nullptr: there is no such family.
const prometheus::MetricFamily* find(const std::vector<prometheus::MetricFamily>& families,
                                     const std::string& name) {
  const auto found = std::ranges::find(families, name, &prometheus::MetricFamily::name);
  return found == families.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("a handle makes its series, at 0 until something happens", "[self]") {
  self::Counter errors = self::errors("test_of_a_handle");
  const auto value = [] {
    const auto families = self::own_families();
    const auto* family = find(families, "looptap_errors_total");
    REQUIRE(family);
    CHECK(family->type == prometheus::MetricType::Counter);
    for (const auto& series : family->metric)
      if (series.label == std::vector<prometheus::ClientMetric::Label>{{"where", "test_of_a_handle"}})
        return series.counter.value;
    return -1.0;
  };
  CHECK(value() == 0);
  errors.increment();
  CHECK(value() == 1);
  // Another handle counts in the same series, and no other does.
  self::errors("test_of_a_handle").increment();
  self::errors("test_of_another").increment();
  CHECK(value() == 2);
  CHECK(errors.value() == 2);
}

TEST_CASE("families come by name, series by labels, whatever the order they were made in", "[self]") {
  for (const char* where : {"z", "b", "q", "a", "m"}) self::errors(where);
  const auto families = self::own_families();
  for (const char* always : {"looptap_deaths_in_stall_total", "looptap_inconsistent_reads_total",
                             "looptap_last_scrape_duration_seconds"})
    CHECK(find(families, always));
  CHECK(std::ranges::is_sorted(families, {}, &prometheus::MetricFamily::name));
  const auto* errors = find(families, "looptap_errors_total");
  REQUIRE(errors);
  std::vector<std::string> wheres;
  for (const auto& series : errors->metric) wheres.push_back(series.label.at(0).value);
  CHECK(wheres.size() >= 5);
  CHECK(std::ranges::is_sorted(wheres));
}

TEST_CASE("several threads count without losing one", "[self]") {
  self::Counter counter = self::errors("test_of_threads");
  const uint64_t before = counter.value();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; i++)
      threads.emplace_back([counter]() mutable {
        for (int n = 0; n < 10000; n++) counter.increment();
      });
  }
  CHECK(counter.value() == before + 40000);
}

TEST_CASE("a gauge shows what was set last", "[self]") {
  self::Gauge gauge = self::last_scrape_duration();
  gauge.set(0.25);
  gauge.set(0.125);
  CHECK(self::last_scrape_duration().value() == 0.125);
}
