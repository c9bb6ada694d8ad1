#include "exporter/base/label_text.h"

#include "tests/unit/catch.h"

using looptap::label_text;

TEST_CASE("UTF-8 stays, anything else becomes U+FFFD byte by byte") {
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(label_text("") == "");
  CHECK(label_text("redis-server") == "redis-server");
  CHECK(label_text("gr\xC3\xBC\xC3\x9F") == "gr\xC3\xBC\xC3\x9F");
  CHECK(label_text("\xE2\x82\xAC \xF0\x9F\x94\xA5") == "\xE2\x82\xAC \xF0\x9F\x94\xA5");
  CHECK(label_text("a\xFFz") == "a" + bad + "z");
  CHECK(label_text("\xC3") == bad);                                // cut
  CHECK(label_text("\xC0\x80") == bad + bad);                      // overlong
  CHECK(label_text("\xED\xA0\x80") == bad + bad + bad);            // a surrogate
  CHECK(label_text("\xF4\x90\x80\x80") == bad + bad + bad + bad);  // beyond Unicode
  CHECK(label_text("a\"b\\c\nd") == "a\"b\\c\nd");                 // escaping is the serializer's
}
