#include "exporter/cli/probe_library.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace looptap {

namespace {

constexpr const char* kName = "liblooptap.so";
constexpr mode_t kMode = 0755;  // loadable by the programs of every user

std::runtime_error failure(const std::string& what) {
  return std::runtime_error(what + ": " + strerror(errno));
}

void write_all(int fd, const char* bytes, size_t size) {
  while (size) {
    const ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw failure("cannot write the library");
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

std::vector<char> read_all(const std::string& path) {
  std::ifstream from(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(from), std::istreambuf_iterator<char>()};
}

/// Whether the file holds these bytes and the programs of every user can load it.
bool is_installed(const std::string& path, const std::vector<char>& bytes) {
  struct stat facts;
  return lstat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & kMode) == kMode &&
         read_all(path) == bytes;
}

}  // namespace

std::string find_probe_library() {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path beside = self.parent_path() / kName;
  const std::filesystem::path installed = self.parent_path().parent_path() / "lib" / "looptap" / kName;
  for (const auto& path : {beside, installed})
    if (std::error_code error; std::filesystem::is_regular_file(path, error)) return path;
  throw std::runtime_error("cannot find " + std::string(kName) + ": neither " + beside.string() + " nor " +
                           installed.string() + " is there");
}

void make_library_directory(const std::string& directory) {
  if (mkdir(directory.c_str(), kMode) == 0)
    chmod(directory.c_str(), kMode);  // past the umask
  else if (errno != EEXIST)
    throw failure("cannot make " + directory);
}

std::string copy_probe_library(const std::string& library, const std::string& directory) {
  const std::vector<char> bytes = read_all(library);
  if (bytes.empty()) throw std::runtime_error("cannot read " + library);

  struct stat facts;
  if (stat(directory.c_str(), &facts)) throw failure("cannot install into " + directory);
  if (!S_ISDIR(facts.st_mode))
    throw std::runtime_error("cannot install into " + directory + ": not a directory");
  const std::string final_name = directory + "/" + kName;
  if (is_installed(final_name, bytes)) return final_name;
  std::string temporary = directory + "/." + kName + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) throw failure("cannot install into " + directory);
  try {
    write_all(fd, bytes.data(), bytes.size());
    // Past the umask.
    if (fchmod(fd, kMode) || fsync(fd)) throw failure("cannot write " + temporary);
    if (rename(temporary.c_str(), final_name.c_str())) throw failure("cannot write " + final_name);
  } catch (...) {
    close(fd);
    unlink(temporary.c_str());
    throw;
  }
  close(fd);
  return final_name;
}

bool fits_in_preload(const std::string& path) { return path.find_first_of(" \t\n:") == std::string::npos; }

std::string preload_with(const std::string& present, const std::string& library) {
  return present.empty() ? library : present + ":" + library;
}

}  // namespace looptap
