// A look at a segment directory that changes nothing in it: it creates, locks, writes and removes no file, so that any
// program may look beside the exporters. Who lives is asked with F_OFD_GETLK (SegmentFile::alive()).
//
// Untrusted input: another user may have made any file here, and may replace the directory.
//
// Thread-safety: none; use one object in one thread at a time. Errors: the constructor throws std::runtime_error with one
// line; afterwards what cannot be read is said by the return value.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exporter/sources/rejection.h"
#include "exporter/sources/segments/segment_file.h"

namespace looptap {

class SegmentDirectory {
 public:
  /// Opens it. \throws std::runtime_error where it is missing, a symlink, no directory, or not ours to read.
  explicit SegmentDirectory(std::string path);
  ~SegmentDirectory();
  SegmentDirectory(const SegmentDirectory&) = delete;
  SegmentDirectory& operator=(const SegmentDirectory&) = delete;

  /// A user who makes more files than this takes no more of our time and memory with them.
  static constexpr size_t kMaxFiles = 65'536;
  /// The file whose lock says who may remove files (SegmentJanitor). It is in no listing.
  static constexpr const char* kJanitorName = ".janitor";

  struct File {
    std::string name;
    uint64_t inode;
  };
  struct Listing {
    std::vector<File> segments;     ///< what may be one: every name without a dot in front
    std::vector<File> unpublished;  ///< .PID-...: segments that a probe has not finished, or never will
    bool is_cut_off = false;        ///< there are more files than kMaxFiles
  };

  /// Whether there may be other files than at the last list().
  bool may_have_changed() const;

  /// Lists what stands under the path now; another directory may have taken its place. nullopt: it cannot be read now, and
  /// may_have_changed().
  std::optional<Listing> list();

  /// Opens and validates a file. nullptr: it is rejected, and `why` says so; or it is gone, and `why` is empty.
  /// \throws self::Shortage where it cannot be told now what it is.
  std::unique_ptr<SegmentFile> open(const std::string& name, std::optional<Rejection>& why) const;

  /// Whether it is on overlayfs, where a segment's lock is lost when its process closes the descriptor: all seem dead.
  bool loses_locks() const;

  const std::string& path() const { return path_; }
  /// Of the directory that was listed last, for the *at() functions.
  int descriptor() const { return descriptor_; }

 private:
  const std::string path_;
  int descriptor_ = -1;
  struct stat listed_ {};          // the directory itself, when it was last listed
  bool listing_is_dated_ = false;  // any change since then has another date
};

}  // namespace looptap
