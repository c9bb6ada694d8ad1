// Descriptors of this process: one that is held, and how many are left.
//
// Thread-safety: one object in one thread at a time. Errors: none.
#pragma once

#include <utility>

namespace looptap {

/// Closed when this goes.
class Descriptor {
 public:
  /// \param opened below 0: there is none.
  explicit Descriptor(int opened) : fd_(opened) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  /// Whoever takes it closes it.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Whether a file that has just been opened may stay open: all of those in use are within this share of RLIMIT_NOFILE, so that
/// something is left for those who cannot do without. The kernel gives the lowest number that is free: the number itself
/// tells how many are in use. A system call of some 100 ns.
bool may_stay_open(int descriptor, unsigned percent);

}  // namespace looptap
