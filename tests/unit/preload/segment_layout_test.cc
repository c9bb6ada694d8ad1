// The layout is an ABI: these are the offsets that exporters of other versions read.
#include "tests/unit/catch.h"

#include <cstddef>
#include <cstring>

#include "preload/segment_layout.h"

TEST_CASE("the header's fields are where version 1 has them") {
  CHECK(LOOPTAP_LAYOUT_VERSION == 1);
  CHECK(std::strlen(LOOPTAP_MAGIC) == 8);
  CHECK(offsetof(looptap_header, magic) == 0);
  CHECK(offsetof(looptap_header, version) == 8);
  CHECK(offsetof(looptap_header, header_size) == 12);
  CHECK(offsetof(looptap_header, file_size) == 16);
  CHECK(offsetof(looptap_header, clock) == 24);
  CHECK(offsetof(looptap_header, pid) == 28);
  CHECK(offsetof(looptap_header, pid_namespace) == 32);
  CHECK(offsetof(looptap_header, start_ticks) == 40);
  CHECK(offsetof(looptap_header, created_ns) == 48);
  CHECK(offsetof(looptap_header, exited_ns) == 56);
  CHECK(offsetof(looptap_header, loops_used) == 64);
  CHECK(offsetof(looptap_header, loops_dropped) == 72);
  CHECK(offsetof(looptap_header, boot_id) == 80);
  CHECK(offsetof(looptap_header, comm) == 120);
  CHECK(offsetof(looptap_header, name) == 136);
  CHECK(offsetof(looptap_header, region_count) == 200);
  CHECK(offsetof(looptap_header, regions) == 208);
  CHECK(sizeof(looptap_header) == 400);
  CHECK(sizeof(looptap_region) == 24);
}

TEST_CASE("a slot's fields are where version 1 has them") {
  CHECK(offsetof(looptap_loop, state) == 0);
  CHECK(offsetof(looptap_loop, settled) == 8);
  CHECK(offsetof(looptap_loop, away_since_ns) == 16);
  CHECK(offsetof(looptap_loop, wait_since_ns) == 24);
  CHECK(offsetof(looptap_loop, deadline_ns) == 32);
  CHECK(offsetof(looptap_loop, last_leaver) == 40);
  CHECK(offsetof(looptap_loop, owner) == 48);
  CHECK(offsetof(looptap_loop, born_ns) == 56);
  CHECK(offsetof(looptap_loop, waits) == 64);
  CHECK(offsetof(looptap_loop, events) == 72);
  CHECK(offsetof(looptap_loop, short_iterations_ns) == 80);
  CHECK(offsetof(looptap_loop, wait_ns) == 88);
  CHECK(offsetof(looptap_loop, poll_ns) == 96);
  CHECK(offsetof(looptap_loop, wakeup_delay_ns) == 104);
  CHECK(offsetof(looptap_loop, zero_iterations) == 112);
  CHECK(offsetof(looptap_loop, zero_wakeup_delays) == 120);
  CHECK(offsetof(looptap_loop, instances) == 128);
  CHECK(offsetof(looptap_loop, thread_id) == 136);
  CHECK(offsetof(looptap_loop, thread_name) == 144);
  CHECK(offsetof(looptap_loop, long_begun) == 160);
  CHECK(offsetof(looptap_loop, long_settled) == 168);
  CHECK(offsetof(looptap_loop, iterations) == 256);
  CHECK(offsetof(looptap_loop, iteration_sums_ns) == 8448);
  CHECK(offsetof(looptap_loop, wakeup_delays) == 14080);
  CHECK(sizeof(looptap_loop) == 22272);
}

TEST_CASE("the ring's fields are where version 1 has them") {
  CHECK(offsetof(looptap_ring, written) == 0);
  CHECK(offsetof(looptap_ring, entries) == 32);
  CHECK(sizeof(looptap_long_iteration) == 32);
  CHECK(offsetof(looptap_long_iteration, start_ns) == 8);
  CHECK(offsetof(looptap_long_iteration, duration_ns) == 16);
  CHECK(offsetof(looptap_long_iteration, loop) == 24);
  CHECK(offsetof(looptap_long_iteration, thread_id) == 28);
}
