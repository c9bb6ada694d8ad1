#include "exporter/sources/segment_name.h"

#include "tests/unit/catch.h"
#include "tests/unit/test_segment.h"

using namespace looptap;

TEST_CASE("a process knows the name of its segment, and takes no other for it") {
  ProcessIdentity process;
  process.pid = 17;
  process.pid_namespace = 4026531836;
  CHECK(is_segment_name_of(process, "17-4026531836-123456789"));
  CHECK(is_segment_name_of(process, "17-0-123456789"));  // it could not see /proc
  CHECK_FALSE(is_segment_name_of(process, "18-4026531836-123456789"));
  CHECK_FALSE(is_segment_name_of(process, "17-4026531837-123456789"));
  CHECK_FALSE(is_segment_name_of(process, ".17-4026531836-123456789"));  // not made yet
  CHECK_FALSE(is_segment_name_of(process, "17-4026531836-"));
  CHECK_FALSE(is_segment_name_of(process, "17-4026531836-1x"));
  CHECK_FALSE(is_segment_name_of(process, "17-4026531836"));
  CHECK_FALSE(is_segment_name_of(process, "17"));
  CHECK_FALSE(is_segment_name_of(process, ""));
}

TEST_CASE("the probe gives such a name") {
  TestDirectory directory;
  TestSegment segment(directory.path, 1, "x");
  ProcessIdentity process;
  process.pid = segment.segment.header->pid;
  process.pid_namespace = segment.segment.header->pid_namespace;
  CHECK(is_segment_name_of(process, only_file(directory.path)));
}
