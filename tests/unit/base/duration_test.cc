#include "exporter/base/duration.h"

#include <cmath>
#include <stdexcept>

#include "tests/unit/catch.h"

using namespace looptap;

TEST_CASE("durations are numbers with units") {
  CHECK(parse_duration("250ms") == 250'000'000);
  CHECK(parse_duration("5s") == 5'000'000'000);
  CHECK(parse_duration("2m") == 120'000'000'000);
  CHECK(parse_duration("1h") == 3'600'000'000'000);
  CHECK(parse_duration("1.5s") == 1'500'000'000);
  CHECK(parse_duration("2m30s") == 150'000'000'000);
  CHECK(parse_duration("7us") == 7000);
  CHECK(parse_duration("0s") == 0);
}

TEST_CASE("anything else is refused") {
  for (const char* text : {"", "5", "s", "-1s", "5x", "5 s", " 5s", "5s ", "1e3s", "nans", "infs", "0x10s",
                           "5S", "99999999999999999999h", "5s,", "+5s"}) {
    INFO("\"" << text << "\"");
    CHECK_THROWS_AS(parse_duration(text), std::invalid_argument);
  }
}

TEST_CASE("seconds for people") {
  CHECK(format_seconds(0) == "0");
  CHECK(format_seconds(0.0000032) == "3.2us");
  CHECK(format_seconds(0.1503) == "150.3ms");
  CHECK(format_seconds(2) == "2.00s");
  CHECK(format_seconds(std::nan("")) == "-");
}
