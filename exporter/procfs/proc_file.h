// A small file of /proc that is read again and again.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace looptap {

/// Stays open from one read to the next, which halves their price, as long as this process has used no more than half of
/// the descriptors that it may have: the rest is for what cannot do without. An open file of a process that has ended
/// cannot be read, whoever has its number now. Not thread-safe.
class ProcFile {
 public:
  explicit ProcFile(std::string path) : path_(std::move(path)) {}
  ~ProcFile() { close(); }
  ProcFile(ProcFile&& other) noexcept;
  ProcFile& operator=(ProcFile&& other) noexcept;

  /// Whether the next read will be of the same file as the last one, whatever the path leads to by then.
  bool is_open() const { return fd_ >= 0; }

  /// Its text, as far as the buffer goes; empty where it cannot be read, be it only now.
  template <size_t kSize>
  std::string_view read(char (&buffer)[kSize]) {
    return read(buffer, kSize);
  }

 private:
  std::string_view read(char* buffer, size_t size);
  void close();

  std::string path_;
  int fd_ = -1;
};

}  // namespace looptap
