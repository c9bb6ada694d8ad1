#include "exporter/process_figures.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace looptap {

namespace {

const std::string kProc = "/proc/";

/// The inode of a process' PID namespace; 0 where we may not look.
uint64_t namespace_of(const std::string& process) {
  struct stat facts;
  return stat((kProc + process + "/ns/pid").c_str(), &facts) ? 0 : facts.st_ino;
}

uint64_t own_namespace() {
  static const uint64_t inode = namespace_of("self");
  return inode;
}

/// The fields of a stat file from the state (field 3) on; the name before them may hold anything.
std::vector<std::string> stat_fields(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line, '\0');
  const auto end_of_name = line.rfind(')');
  std::vector<std::string> fields;
  if (end_of_name == std::string::npos) return fields;
  std::istringstream rest(line.substr(end_of_name + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

// Numbers of proc(5), less the three that stat_fields() counts from.
constexpr size_t kState = 0, kUserTicks = 11, kSystemTicks = 12, kStartTicks = 19, kResidentPages = 21;

uint64_t number(const std::vector<std::string>& fields, size_t place) {
  return place < fields.size() ? strtoull(fields[place].c_str(), nullptr, 10) : 0;
}

/// The innermost of the numbers that a process or thread has, one per namespace that it is in.
uint64_t innermost_number(const std::string& status_path) {
  std::ifstream status(status_path);
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("NSpid:", 0) != 0) continue;
    const auto last = line.find_last_of("\t ");
    return strtoull(line.c_str() + last + 1, nullptr, 10);
  }
  return 0;
}

/// Names in a directory of /proc that are numbers.
std::vector<std::string> numbers_in(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) return names;
  while (const dirent* entry = readdir(directory.get()))
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') names.push_back(entry->d_name);
  return names;
}

double boot_time_seconds() {
  std::ifstream stat(kProc + "stat");
  for (std::string line; std::getline(stat, line);)
    if (line.rfind("btime ", 0) == 0) return strtod(line.c_str() + 6, nullptr);
  return 0;
}

double ticks_to_seconds(uint64_t ticks) {
  static const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return static_cast<double>(ticks) / ticks_per_second;
}

}  // namespace

std::optional<pid_t> find_process(const ProcessIdentity& identity) {
  if (!identity.pid_namespace || !identity.start_ticks) return std::nullopt;
  const auto matches = [&](const std::string& name) {
    return number(stat_fields(kProc + name + "/stat"), kStartTicks) == identity.start_ticks &&
           innermost_number(kProc + name + "/status") == identity.pid;
  };
  if (identity.pid_namespace == own_namespace()) {
    const std::string name = std::to_string(identity.pid);
    return matches(name) ? std::optional<pid_t>(static_cast<pid_t>(identity.pid)) : std::nullopt;
  }
  for (const std::string& name : numbers_in(kProc))
    if (matches(name) && namespace_of(name) == identity.pid_namespace) return atoi(name.c_str());
  return std::nullopt;
}

std::optional<ProcessFigures> read_process(pid_t pid, uint64_t start_ticks) {
  const auto fields = stat_fields(kProc + std::to_string(pid) + "/stat");
  if (fields.size() <= kResidentPages || number(fields, kStartTicks) != start_ticks) return std::nullopt;
  static const double boot_time = boot_time_seconds();
  ProcessFigures figures;
  figures.state = fields[kState][0];
  figures.cpu_seconds = ticks_to_seconds(number(fields, kUserTicks) + number(fields, kSystemTicks));
  figures.resident_bytes = number(fields, kResidentPages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  figures.start_time_seconds = boot_time + ticks_to_seconds(start_ticks);
  return figures;
}

std::optional<ThreadFigures> read_thread(pid_t pid, const ProcessIdentity& identity, uint32_t thread_id) {
  const std::string tasks = kProc + std::to_string(pid) + "/task/";
  std::string task = std::to_string(thread_id);
  if (identity.pid_namespace != own_namespace()) {
    task.clear();
    for (const std::string& name : numbers_in(tasks))
      if (innermost_number(tasks + name + "/status") == thread_id) task = name;
    if (task.empty()) return std::nullopt;
  }
  uint64_t cpu_ns = 0, runqueue_ns = 0;
  if (!(std::ifstream(tasks + task + "/schedstat") >> cpu_ns >> runqueue_ns)) return std::nullopt;
  return ThreadFigures{static_cast<double>(cpu_ns) * 1e-9, static_cast<double>(runqueue_ns) * 1e-9};
}

}  // namespace looptap
