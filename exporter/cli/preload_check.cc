#include "exporter/cli/preload_check.h"

#include <elf.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace looptap {

namespace {

bool is_executable_file(const std::string& path) {
  struct stat facts;
  return stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && access(path.c_str(), X_OK) == 0;
}

/// The interpreter that a "#!" line names, with its first argument where it is env(1); else empty.
std::string interpreter_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char line[256] = {};  // as much as the kernel looks at
  if (file.get() != '#' || file.get() != '!') return "";
  file.getline(line, sizeof line);
  std::istringstream words(line);
  std::string interpreter, argument;
  words >> interpreter >> argument;
  const bool env = interpreter.size() >= 4 && interpreter.ends_with("/env");
  return env && !argument.empty() && argument[0] != '-' ? find_command(argument) : interpreter;
}

enum class Linking { kDynamic, kStatic, kOtherClass, kNotElf };

Linking linking_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header{};
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  if (file.gcount() < EI_NIDENT || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return Linking::kNotElf;
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return Linking::kOtherClass;
  for (int i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment{};
    file.seekg(static_cast<std::streamoff>(header.e_phoff + static_cast<uint64_t>(i) * header.e_phentsize));
    file.read(reinterpret_cast<char*>(&segment), sizeof segment);
    if (!file) break;
    if (segment.p_type == PT_INTERP) return Linking::kDynamic;
  }
  return Linking::kStatic;
}

}  // namespace

std::string find_command(const std::string& command) {
  if (command.find('/') != std::string::npos) return is_executable_file(command) ? command : "";
  const char* path = getenv("PATH");
  std::istringstream directories(path ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::string candidate = (directory.empty() ? "." : directory) + "/" + command;
    if (is_executable_file(candidate)) return candidate;
  }
  return "";
}

std::string preload_blocker(const std::string& path) {
  std::string program = path;
  for (int depth = 0; depth < 4 && is_executable_file(program); depth++) {
    const std::string interpreter = interpreter_of(program);
    if (interpreter.empty()) break;
    program = interpreter;
  }
  struct stat facts;
  if (stat(program.c_str(), &facts) || !S_ISREG(facts.st_mode)) return "";
  const bool other_user = (facts.st_mode & S_ISUID && facts.st_uid != geteuid()) ||
                          (facts.st_mode & S_ISGID && facts.st_gid != getegid());
  if (other_user) return program + " is set-uid or set-gid, so the loader ignores LD_PRELOAD";
  if (geteuid() != 0 && getxattr(program.c_str(), "security.capability", nullptr, 0) > 0)
    return program + " has file capabilities, so the loader ignores LD_PRELOAD";
  switch (linking_of(program)) {
    case Linking::kStatic:
      return program + " is statically linked, so there is no loader that would read LD_PRELOAD";
    case Linking::kOtherClass:
      return program + " is not a 64-bit program, and the probe is";
    case Linking::kDynamic:
    case Linking::kNotElf:
      break;
  }
  return "";
}

}  // namespace looptap
