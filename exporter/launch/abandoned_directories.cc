#include "exporter/launch/abandoned_directories.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>

#include "exporter/base/descriptor.h"
#include "exporter/launch/private_directory.h"

namespace looptap {

namespace {

// How long an exec may be without an environment.
constexpr int kAttempts = 20;
constexpr useconds_t kBetweenAttempts_us = 5'000;

using OpenDirectory = std::unique_ptr<DIR, int (*)(DIR*)>;

OpenDirectory open_directory(const std::string& path) { return {opendir(path.c_str()), closedir}; }

bool is_locked(int directory, const char* name) {
  const Descriptor file(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return errno != ENOENT;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(file.get(), F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

bool holds_locked_file(const std::string& path, int directory) {
  const OpenDirectory open = open_directory(path);
  if (!open) return true;
  while (const dirent* entry = readdir(open.get()))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
        is_locked(directory, entry->d_name))
      return true;
  return false;
}

struct Candidate {
  std::string path;
  Descriptor directory;  // with the lock that its owner does not hold any more
};

std::vector<Candidate> find_candidates(const std::vector<std::string>& parents) {
  const std::string prefix = PrivateDirectory::prefix();
  std::vector<Candidate> candidates;
  for (const std::string& parent : parents) {
    const OpenDirectory open = open_directory(parent);
    if (!open) continue;
    while (const dirent* entry = readdir(open.get())) {
      if (!std::string_view(entry->d_name).starts_with(prefix)) continue;
      std::string path = parent + "/" + entry->d_name;
      Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      struct stat facts;
      if (!directory.is_open() || fstat(directory.get(), &facts) || facts.st_uid != geteuid()) continue;
      if (flock(directory.get(), LOCK_EX | LOCK_NB) || holds_locked_file(path, directory.get())) continue;
      candidates.push_back({std::move(path), std::move(directory)});
    }
  }
  return candidates;
}

std::string environment_of(const std::string& process) {
  std::ifstream file(process + "/environ", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Whether its environment may only be missing because it is in the middle of an exec. Kernel threads and zombies have no program.
bool may_get_environment(const std::string& process) {
  std::error_code none;
  return !std::filesystem::read_symlink(process + "/exe", none).empty();
}

std::vector<std::string> list_processes() {
  std::vector<std::string> list;
  if (const OpenDirectory open = open_directory("/proc"))
    while (const dirent* entry = readdir(open.get()))
      if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
        list.push_back(std::string("/proc/") + entry->d_name);
  return list;
}

/// Leaves out those that a process names in its environment. A process that we may not look into is not asked: what it would lose
/// is a directory without a segment of its own in it, which the probe makes anew. \return whether any could be asked
bool drop_named(std::vector<Candidate>& candidates) {
  std::vector<std::string> processes = list_processes();
  bool asked = false;
  for (int attempt = 0; attempt < kAttempts && !processes.empty(); attempt++) {
    if (attempt) usleep(kBetweenAttempts_us);
    std::erase_if(processes, [&](const std::string& process) {
      const std::string environment = environment_of(process);
      if (environment.empty()) return !may_get_environment(process);
      asked = true;
      std::erase_if(candidates, [&](const Candidate& candidate) {
        return environment.find(candidate.path) != std::string::npos;
      });
      return true;
    });
  }
  return asked;
}

}  // namespace

void remove_abandoned_directories(const std::vector<std::string>& parents) {
  std::vector<Candidate> candidates = find_candidates(parents);
  if (candidates.empty() || !drop_named(candidates)) return;
  for (const Candidate& candidate : candidates)
    remove_directory(candidate.directory.get(), candidate.path.c_str());
}

}  // namespace looptap
