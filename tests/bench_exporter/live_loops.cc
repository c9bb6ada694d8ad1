// live_loops DIRECTORY COUNT [TICKS-PER-SECOND]: the segments of COUNT living processes with one loop each, made by the
// probe's own code, mapped and locked; every loop does a wait and an iteration so many times a second (10). Prints
// "ready" when all are there, and ends with its stdin. The processes are there, too, for the exporter to look up in
// /proc; they sleep, and this one works for them.
//
// Each loop starts with a past: some 150 occupied buckets, as a server's loop has after an hour.

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "preload/operations.h"

#include "preload/loop_state.h"
#include "preload/segment.h"

namespace {

uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

pid_t start_sleeper() {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (getppid() == parent) pause();
  _exit(0);
}

/// Field 22 of its stat file.
uint64_t start_ticks(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string field;
  for (int i = 0; i < 22; i++) stat >> field;
  return strtoull(field.c_str(), nullptr, 10);
}

class LiveLoop {
 public:
  LiveLoop(const char* directory, unsigned number, pid_t process)
      : random_(number), duration_ns_(std::log(3e5), 0.75) {
    const std::string name = "bench-" + std::to_string(number);
    looptap::Settings settings{};
    looptap::copy_line(settings.directory, sizeof settings.directory, directory);
    looptap::copy_line(settings.name, sizeof settings.name, name.c_str());
    settings.loops = LOOPTAP_DEFAULT_LOOPS;
    const uint64_t now = now_ns();
    const auto error = looptap::create_segment(settings, now, segment_);
    if (error.step) {
      fprintf(stderr, "live_loops: %s (errno %ld)\n", error.step, error.error);
      exit(1);
    }
    segment_.header->pid = static_cast<uint32_t>(process);
    segment_.header->start_ticks = start_ticks(process);
    thread_.number = 1;
    thread_.thread_id = static_cast<uint32_t>(process);
    looptap::reserve_slot(segment_, 0);
    looptap_loop* loop = looptap_loop_at(&segment_.loops, 0);
    looptap::copy_line(loop->thread_name, sizeof loop->thread_name, "MainThread");
    looptap_begin(loop, &thread_, now);
    looptap_fetch_add(&segment_.header->loops_used, 1);

    constexpr uint64_t kPast_ns = 3'600'000'000'000;
    uint64_t at = now > 2 * kPast_ns ? now - kPast_ns : now / 2;
    const uint64_t step = (now - at) / 4001;
    for (int i = 0; i < 4000; i++) at = wait_and_work(at, step);
    wait_number_ = looptap_enter(&segment_.loops, &thread_, 0, now_ns(), -1);
  }

  /// Returns from its wait, works, waits again.
  void tick() {
    const uint64_t now = now_ns();
    looptap_leave(&segment_.loops, &thread_, 0, wait_number_, now - work_ns(), 1);
    wait_number_ = looptap_enter(&segment_.loops, &thread_, 0, now, -1);
  }

 private:
  uint64_t work_ns() { return std::min<uint64_t>(static_cast<uint64_t>(duration_ns_(random_)), 20'000'000); }

  uint64_t wait_and_work(uint64_t at, uint64_t step) {
    const uint64_t work = std::min(work_ns(), step / 2);
    const auto timeout = static_cast<int64_t>((step - work) / 2);
    const uint32_t number = looptap_enter(&segment_.loops, &thread_, 0, at, timeout);
    looptap_leave(&segment_.loops, &thread_, 0, number, at + step - work, work % 3 ? 1 : 0);
    return at + step;
  }

  looptap::Segment segment_{};
  looptap_thread thread_{};
  std::mt19937_64 random_;
  std::lognormal_distribution<double> duration_ns_;
  uint32_t wait_number_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: live_loops DIRECTORY COUNT [TICKS-PER-SECOND]\n");
    return 2;
  }
  const unsigned count = static_cast<unsigned>(atoi(argv[2]));
  const int per_second = argc > 3 ? atoi(argv[3]) : 10;
  std::vector<pid_t> processes;
  for (unsigned i = 0; i < count; i++) processes.push_back(start_sleeper());
  std::vector<std::unique_ptr<LiveLoop>> loops;
  for (unsigned i = 0; i < count; i++) loops.push_back(std::make_unique<LiveLoop>(argv[1], i, processes[i]));
  puts("ready");
  fflush(stdout);

  pollfd input{STDIN_FILENO, POLLIN, 0};
  while (poll(&input, 1, 1000 / per_second) == 0)
    for (auto& loop : loops) loop->tick();
  return 0;
}
