// JSON, written.
#include "exporter/web/json_text.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/unit/catch.h"

using namespace looptap;

namespace {

std::string written(double number) {
  JsonText json;
  std::string text = json.value(number).take();
  text.pop_back();
  return text;
}

}  // namespace

TEST_CASE("numbers in as few digits as make them again") {
  CHECK(written(0) == "0.0");
  CHECK(written(1) == "1.0");
  CHECK(written(-2.5) == "-2.5");
  CHECK(written(0.1) == "0.1");
  CHECK(written(0.001) == "0.001");
  CHECK(written(123456789.25) == "123456789.25");
  CHECK(written(0.00001234) == "1.234e-05");
  CHECK(written(1e14) == "100000000000000.0");
  CHECK(written(1e15) == "1e+15");
  CHECK(written(1.5e300) == "1.5e+300");
  CHECK(written(std::nan("")) == "null");
  CHECK(written(std::numeric_limits<double>::infinity()) == "null");
}

TEST_CASE("numbers are read as what they were") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; i++) {
    const auto bits = random();
    double number;
    static_assert(sizeof number == sizeof bits);
    memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) continue;
    if (i % 2) number = std::ldexp(static_cast<double>(random() >> 40), -12);
    if (nlohmann::json::parse(written(number)).get<double>() != number) FAIL(written(number));
  }
}

TEST_CASE("texts are escaped") {
  JsonText json;
  json.begin_array()
      .value(std::string_view("a\"b\\c\n\t\x01\x7f\xff", 10))
      .value(true)
      .value(uint64_t{7})
      .end_array();
  CHECK(json.take() == "[\"a\\\"b\\\\c\\n\\t\\u0001\x7f\xEF\xBF\xBD\",true,7]\n");
}

TEST_CASE("objects and arrays in one another") {
  JsonText json;
  json.begin_object().add("a", uint64_t{1}).key("b").begin_array();
  json.begin_object().end_object().begin_array().end_array();
  json.end_array().add("c", false).end_object();
  CHECK(json.take() == "{\"a\":1,\"b\":[{},[]],\"c\":false}\n");
}
