#include "exporter/procfs/process_figures.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/self/shortage.h"

namespace looptap {

namespace {

const std::string kProc = "/proc/";
constexpr uint64_t kInitialNamespace = 0xeffffffc;  // of pids, on every Linux

/// A file of /proc, read line by line. \throws self::Shortage where it cannot be opened or read now.
class Lines {
 public:
  explicit Lines(const std::string& path) : path_(path), file_(path) { check(!file_.is_open()); }
  bool next(std::string& line) {
    errno = 0;
    const bool is_there = static_cast<bool>(std::getline(file_, line));
    check(!is_there && !file_.eof());
    return is_there;
  }

 private:
  void check(bool has_failed) const {
    if (has_failed && self::is_shortage(errno)) throw self::Shortage(errno, "cannot read " + path_);
  }
  const std::string path_;
  std::ifstream file_;
};

/// The inode of a process' PID namespace; 0 where we may not look. \throws self::Shortage
uint64_t namespace_of(const std::string& process) {
  struct stat facts;
  if (stat((kProc + process + "/ns/pid").c_str(), &facts) == 0) return facts.st_ino;
  if (self::is_shortage(errno)) throw self::Shortage(errno, "cannot look at a PID namespace");
  return 0;
}

uint64_t own_namespace() {
  static const uint64_t inode = namespace_of("self");  // where it throws, it is asked again
  return inode;
}

/// What we want of a stat file. Fields are numbered as in proc(5).
struct Stat {
  char state = 0;  // 0: there is no such process
  uint64_t user_ticks = 0, system_ticks = 0, start_ticks = 0;
};

ProcFile stat_of(const std::string& process) { return ProcFile(kProc + process + "/stat"); }

Stat parse_stat(std::string_view line) {
  Stat stat;
  const auto end_of_name = line.rfind(')');  // the name may hold anything
  if (end_of_name == std::string_view::npos || end_of_name + 2 >= line.size()) return stat;
  line.remove_prefix(end_of_name + 2);
  const char state = line[0];
  int field = 3;
  for (; !line.empty() && field <= 22; field++) {
    const std::string_view word = line.substr(0, line.find(' '));
    uint64_t number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    if (field == 14) stat.user_ticks = number;
    if (field == 15) stat.system_ticks = number;
    if (field == 22) stat.start_ticks = number;
    line.remove_prefix(std::min(word.size() + 1, line.size()));
  }
  if (field > 22) stat.state = state;  // all of them were there
  return stat;
}

Stat read_stat(ProcFile& file) {
  char buffer[1024];
  return parse_stat(file.read(buffer));
}

/// The innermost of the numbers that a process or thread has, one per namespace that it is in. \throws self::Shortage
uint64_t innermost_number(const std::string& status_path) {
  Lines status(status_path);
  for (std::string line; status.next(line);) {
    if (line.rfind("NSpid:", 0) != 0) continue;
    const auto last = line.find_last_of("\t ");
    return strtoull(line.c_str() + last + 1, nullptr, 10);
  }
  return 0;
}

/// Names in a directory of /proc that are numbers. \throws self::Shortage
std::vector<std::string> numbers_in(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory && self::is_shortage(errno)) throw self::Shortage(errno, "cannot list " + path);
  if (!directory) return names;
  while (const dirent* entry = readdir(directory.get()))
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') names.push_back(entry->d_name);
  return names;
}

/// The name of the thread's folder in /proc/PID/task; "" where it has none.
std::string task_of(pid_t pid, const ProcessIdentity& identity, uint32_t thread_id) {
  if (identity.pid_namespace == own_namespace()) return std::to_string(thread_id);
  const std::string tasks = kProc + std::to_string(pid) + "/task/";
  for (const std::string& name : numbers_in(tasks))
    if (innermost_number(tasks + name + "/status") == thread_id) return name;
  return {};
}

double boot_time_seconds() {
  Lines stat(kProc + "stat");
  for (std::string line; stat.next(line);)
    if (line.rfind("btime ", 0) == 0) return strtod(line.c_str() + 6, nullptr);
  return 0;
}

double boot_time() {
  static const double seconds = boot_time_seconds();  // where it throws, it is asked again
  return seconds;
}

double ticks_to_seconds(uint64_t ticks) {
  static const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return static_cast<double>(ticks) / ticks_per_second;
}

/// Whether the numbers in /proc are those that the kernel's calls take from us.
bool proc_is_ours() {
  char number[32];
  const ssize_t size = readlink((kProc + "self").c_str(), number, sizeof number);
  return size > 0 && std::string_view(number, static_cast<size_t>(size)) == std::to_string(getpid());
}

std::optional<uint64_t> read_clock(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return std::nullopt;
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(time.tv_nsec);
}

/// That of the CPU time of all its threads, those that have ended, too.
std::optional<clockid_t> cpu_clock_of(pid_t pid) {
  clockid_t clock;
  if (!proc_is_ours() || clock_getcpuclockid(pid, &clock) != 0 || !read_clock(clock)) return std::nullopt;
  return clock;
}

uint64_t second_number(std::string_view line) {
  uint64_t number = 0;
  line.remove_prefix(std::min(line.find(' ') + 1, line.size()));
  std::from_chars(line.data(), line.data() + line.size(), number);
  return number;
}

}  // namespace

std::optional<pid_t> find_process(const ProcessIdentity& identity) {
  if (!identity.pid_namespace || !identity.start_ticks) return std::nullopt;
  const auto matches = [&](const std::string& name) {
    Lines file(kProc + name + "/stat");
    std::string line;
    return file.next(line) && parse_stat(line).start_ticks == identity.start_ticks &&
           innermost_number(kProc + name + "/status") == identity.pid;
  };
  const auto if_it_matches = [&](uint32_t pid) {
    return matches(std::to_string(pid)) ? std::optional<pid_t>(static_cast<pid_t>(pid)) : std::nullopt;
  };
  if (identity.pid_namespace == own_namespace()) return if_it_matches(identity.pid);
  // The namespaces of other users' processes are told only to who may trace them: a DaemonSet may not.
  if (identity.initial_pid && own_namespace() == kInitialNamespace)
    return if_it_matches(identity.initial_pid);
  for (const std::string& name : numbers_in(kProc))
    if (matches(name) && namespace_of(name) == identity.pid_namespace) return atoi(name.c_str());
  return std::nullopt;
}

ProcessFiguresReader::ProcessFiguresReader(pid_t pid, uint64_t start_ticks)
    : stat_(stat_of(std::to_string(pid))),
      statm_(kProc + std::to_string(pid) + "/statm"),
      start_ticks_(start_ticks),
      start_time_seconds_(boot_time() + ticks_to_seconds(start_ticks)),
      cpu_clock_(cpu_clock_of(pid)) {}

std::optional<char> ProcessFiguresReader::state() {
  const Stat stat = read_stat(stat_);
  return stat.state && stat.start_ticks == start_ticks_ ? std::optional<char>(stat.state) : std::nullopt;
}

std::optional<ProcessFigures> ProcessFiguresReader::read() {
  // The clock goes by the process' number. Whose that was is known when a file that has been its own since before can
  // still be read thereafter.
  const bool is_its_own = statm_.is_open();
  const auto cpu_ns = cpu_clock_ ? read_clock(*cpu_clock_) : std::nullopt;
  char buffer[128];
  const std::string_view line = statm_.read(buffer);
  if (line.empty()) return std::nullopt;

  ProcessFigures figures;
  figures.resident_bytes = second_number(line) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  figures.start_time_seconds = start_time_seconds_;
  if (is_its_own && cpu_ns) {
    figures.cpu_seconds = static_cast<double>(*cpu_ns) * 1e-9;
    return figures;
  }
  const Stat stat = read_stat(stat_);
  if (!stat.state || stat.start_ticks != start_ticks_) return std::nullopt;
  figures.cpu_seconds =
      cpu_ns ? static_cast<double>(*cpu_ns) * 1e-9 : ticks_to_seconds(stat.user_ticks + stat.system_ticks);
  return figures;
}

ContainerIdentity read_container(pid_t pid) {
  Lines cgroups(kProc + std::to_string(pid) + "/cgroup");
  std::string text;
  for (std::string line; cgroups.next(line);) text += line + '\n';
  return identity_of_process_cgroups(text);
}

ThreadFiguresReader::ThreadFiguresReader(pid_t pid, const ProcessIdentity& identity, uint32_t thread_id)
    : thread_id_(thread_id),
      schedstat_(kProc + std::to_string(pid) + "/task/" + task_of(pid, identity, thread_id) + "/schedstat") {}

std::optional<ThreadFigures> ThreadFiguresReader::read() {
  char buffer[128];
  const std::string_view line = schedstat_.read(buffer);
  const char* const end = line.data() + line.size();
  ThreadFigures figures;
  const auto first = std::from_chars(line.data(), end, figures.cpu_ns);
  if (line.empty() || first.ec != std::errc() || first.ptr == end) return std::nullopt;
  if (std::from_chars(first.ptr + 1, end, figures.runqueue_ns).ec != std::errc()) return std::nullopt;
  return figures;
}

}  // namespace looptap
