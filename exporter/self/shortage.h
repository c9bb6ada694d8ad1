// What fails for want of something that may be there later: descriptors, memory, time, a turn. It is counted in looptap_shortages_total{of},
// told in a limited number of lines, and tried again by whoever met it.
//
// Thread-safe. Nothing here throws but the constructor of Shortage, for want of memory.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace looptap::self {

/// Whether the call that gave this errno may succeed later, with nothing changed about what it was called for: no more
/// descriptors (EMFILE, ENFILE) or memory (ENOMEM), an interruption (EINTR), or somebody else's turn (EAGAIN).
bool is_shortage(int error);

/// Counts it, and tells. \param error one of these, or ETIME: a bound of our own. \param what "cannot open /proc/1/stat".
void tell_of_shortage(int error, std::string_view what) noexcept;

/// For who cannot say it by a return value.
class Shortage : public std::runtime_error {
 public:
  /// Counts it, and tells.
  Shortage(int error, const std::string& what);
};

/// Makes its series, at 0. Whoever may tell of one calls this when it begins: it is the one part that takes memory.
void declare_shortages();

}  // namespace looptap::self
