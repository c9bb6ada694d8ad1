// How many of the descriptors that this process may have are left for those who cannot do without.
//
// Thread-safe. Errors: none. Cost: a system call of some 100 ns.
#pragma once

namespace looptap {

/// Whether a file that has just been opened may stay open: all of those in use are within this share of RLIMIT_NOFILE. The
/// kernel gives the lowest number that is free, so the number itself tells how many are in use.
bool may_stay_open(int descriptor, unsigned percent);

}  // namespace looptap
