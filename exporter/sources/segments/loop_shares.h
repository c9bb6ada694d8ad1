// How many loops each user may have shown, where all together have more than are shown (--segments.max-loops).
//
// A pure function. Throws nothing but for want of memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>

namespace looptap {

/// Max-min fair: nobody who wants no more than an equal share gets less than he wants; the others share what he leaves,
/// equally. So one with many loops takes nothing from one with few.
/// \param wanted by user. \return by user, of them all; together no more than `most`.
std::map<uid_t, uint64_t> fair_shares(const std::map<uid_t, uint64_t>& wanted, uint64_t most);

}  // namespace looptap
