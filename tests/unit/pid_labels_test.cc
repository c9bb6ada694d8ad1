#include "exporter/pid_labels.h"

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

TEST_CASE("no two processes of one name bear the same label") {
  PidLabels labels;
  CHECK(labels.take(identity_of("web", 10, 100)) == "1");
  CHECK(labels.take(identity_of("web", 11, 200)) == "1@11");
  CHECK(labels.take(identity_of("web", 11, 300)) == "1@300");
  CHECK(labels.take(identity_of("web", 11, 300)) == "1@301");  // made to look like the one before
  CHECK(labels.take(identity_of("web", 0, 400)) == "1@400");   // its namespace is not known
  CHECK(labels.take(identity_of("db", 11, 500)) == "1");
}

TEST_CASE("a label that was given back is free") {
  PidLabels labels;
  const ProcessIdentity first = identity_of("web", 10, 100), second = identity_of("web", 11, 200);
  CHECK(labels.take(first) == "1");
  CHECK(labels.take(second) == "1@11");
  labels.give_back(first, "1");
  CHECK(labels.take(identity_of("web", 12, 300)) == "1");
  CHECK(labels.take(identity_of("web", 11, 400)) == "1@400");
}
