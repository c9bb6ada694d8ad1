// A real segment, made by the probe's own code in a directory of the test's.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "exporter/base/monotonic_clock.h"
#include "exporter/model/histogram_bounds.h"
#include "preload/loop_state.h"
#include "preload/segment.h"

struct TestDirectory {
  TestDirectory() {
    std::string name = "/dev/shm/looptap-unit-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

struct TestSegment {
  TestSegment(const std::string& directory, uint32_t loops, const char* name) {
    looptap::Settings settings{};
    looptap::copy_line(settings.directory, sizeof settings.directory, directory.c_str());
    looptap::copy_line(settings.name, sizeof settings.name, name);
    settings.loops = loops;
    error = looptap::create_segment(settings, looptap::monotonic_now_ns(), segment);
    thread.number = 1;
    thread.thread_id = static_cast<uint32_t>(gettid());
  }
  ~TestSegment() { end_process(); }

  /// What the death of the process does: the lock is gone.
  void end_process() {
    if (segment.header) munmap_segment();
    segment.header = nullptr;
  }

  looptap_loop& begin_loop(uint32_t ordinal, const char* thread_name = "worker") {
    looptap::reserve_slot(segment, ordinal);
    looptap_loop* loop = looptap_loop_at(&segment.loops, ordinal);
    looptap::copy_line(loop->thread_name, sizeof loop->thread_name, thread_name);
    looptap_begin(loop, &thread, looptap::monotonic_now_ns());
    looptap_fetch_add(&segment.header->loops_used, 1);
    return *loop;
  }
  void wait(uint32_t ordinal, uint64_t from_ns, uint64_t to_ns) {
    const uint32_t number = looptap_enter(&segment.loops, &thread, ordinal, from_ns, -1);
    looptap_leave(&segment.loops, &thread, ordinal, number, to_ns, 1);
  }

  looptap::Segment segment{};
  looptap::SegmentError error{};
  looptap_thread thread{};

 private:
  void munmap_segment() { looptap::sys::unmap(segment.header, segment.size); }
};

/// The only file in a directory that is not hidden.
inline std::string only_file(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().filename().string()[0] != '.') return entry.path().filename();
  return "";
}
