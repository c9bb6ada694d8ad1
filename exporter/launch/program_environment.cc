#include "exporter/launch/program_environment.h"

#include <unistd.h>

#include <cstdio>

extern char** environ;

namespace looptap {

namespace {

constexpr size_t kLongestPid = 20;

}  // namespace

ProgramEnvironment::ProgramEnvironment() {
  const std::string self = std::to_string(getpid());
  for (char** entry = environ; *entry; entry++) {
    entries_.emplace_back(*entry);
    for (const char* name : {"LISTEN_PID", "WATCHDOG_PID"})
      if (entries_.back() == name + ("=" + self)) {
        entries_.back().reserve(entries_.back().size() + kLongestPid);
        ours_.push_back(entries_.size() - 1);
      }
  }
}

void ProgramEnvironment::set(const std::string& name, const std::string& value) {
  bool replaced = false;
  for (std::string& entry : entries_)
    if (entry.starts_with(name + "=")) {
      entry = name + "=" + value;
      replaced = true;
    }
  if (!replaced) entries_.push_back(name + "=" + value);
}

void ProgramEnvironment::hand_over_to(pid_t program) noexcept {
  char digits[kLongestPid];
  const int length = snprintf(digits, sizeof digits, "%d", static_cast<int>(program));
  for (const size_t index : ours_) {
    std::string& entry = entries_[index];
    entry.replace(entry.find('=') + 1, std::string::npos, digits, static_cast<size_t>(length));
  }
}

char** ProgramEnvironment::pointers() {
  pointers_.clear();
  for (std::string& entry : entries_) pointers_.push_back(entry.data());
  pointers_.push_back(nullptr);
  return pointers_.data();
}

}  // namespace looptap
