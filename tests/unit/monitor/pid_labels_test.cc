#include "exporter/monitor/pid_labels.h"

#include "tests/unit/catch.h"

using namespace looptap;

namespace {

ProcessIdentity identity_of(const char* name, uint64_t pid_namespace, uint64_t created_ns) {
  ProcessIdentity identity;
  identity.name = name;
  identity.pid = 1;
  identity.pid_namespace = pid_namespace;
  identity.created_ns = created_ns;
  return identity;
}

}  // namespace

TEST_CASE("no two living processes of one name bear the same label") {
  PidLabels labels;
  CHECK(labels.take(1, identity_of("web", 10, 100)) == "1");
  CHECK(labels.take(2, identity_of("web", 11, 200)) == "1@11");
  CHECK(labels.take(3, identity_of("web", 11, 300)) == "1@300");
  CHECK(labels.take(4, identity_of("web", 11, 300)) == "1@301");  // made to look like the one before
  CHECK(labels.take(5, identity_of("web", 0, 400)) == "1@400");   // its namespace is not known
  CHECK(labels.take(6, identity_of("db", 11, 500)) == "1");
}

TEST_CASE("a label that was given back is free") {
  PidLabels labels;
  const ProcessIdentity first = identity_of("web", 10, 100), second = identity_of("web", 11, 200);
  CHECK(labels.take(1, first) == "1");
  CHECK(labels.take(2, second) == "1@11");
  labels.give_back(1, first, "1");
  CHECK(labels.take(3, identity_of("web", 12, 300)) == "1");
  CHECK(labels.take(4, identity_of("web", 11, 400)) == "1@400");
}

TEST_CASE("the dead keep their label until somebody wants it, and never get it back") {
  PidLabels labels;
  const ProcessIdentity first = identity_of("web", 10, 100), second = identity_of("web", 11, 200),
                        third = identity_of("web", 12, 300);
  CHECK(labels.take(1, first) == "1");
  labels.release(1, first, "1");
  CHECK(labels.holds(1, first, "1"));
  CHECK(labels.take(2, second) == "1");
  CHECK_FALSE(labels.holds(1, first, "1"));
  labels.release(1, first, "1");    // what a dead one says of a label that it lost
  labels.give_back(1, first, "1");  // changes nothing for who has it now
  CHECK(labels.holds(2, second, "1"));
  CHECK(labels.take(3, third) == "1@12");
  labels.release(2, second, "1");
  CHECK(labels.take(4, identity_of("web", 13, 400)) == "1");
  CHECK_FALSE(labels.holds(1, first, "1"));
  CHECK_FALSE(labels.holds(2, second, "1"));
}
