// Why a file, or a memory of slots, is rejected.
//
// Thread-safe: a pure function.
#pragma once

namespace looptap {

/// The label of looptap_rejected_segments_total.
enum class Rejection {
  kNotAFile,     ///< a symlink, directory, FIFO, device
  kUnreadable,   ///< it cannot be opened or read
  kForeign,      ///< something else than a segment
  kVersion,      ///< of a layout this exporter does not know
  kTruncated,    ///< shorter than it says
  kMalformed,    ///< its sizes contradict each other
  kOtherBoot,    ///< left over from before the machine started
  kFuture,       ///< it was made, or its loop last moved, later than now (or it is of another time namespace)
  kImplausible,  ///< more time or more events than there can have been since the machine started
  kRegressed,    ///< a counter has gone back
  kLink,         ///< another name of a file that is a segment: its loops count once
  kTooMany       ///< not one file but the rest of them: the directory holds too many
};
inline constexpr Rejection kRejections[] = {
    Rejection::kNotAFile,    Rejection::kUnreadable, Rejection::kForeign,   Rejection::kVersion,
    Rejection::kTruncated,   Rejection::kMalformed,  Rejection::kOtherBoot, Rejection::kFuture,
    Rejection::kImplausible, Rejection::kRegressed,  Rejection::kLink,      Rejection::kTooMany};
const char* name_of(Rejection rejection);

}  // namespace looptap
