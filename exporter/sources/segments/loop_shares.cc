#include "exporter/sources/segments/loop_shares.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace looptap {

std::map<uid_t, uint64_t> fair_shares(const std::map<uid_t, uint64_t>& wanted, uint64_t most) {
  std::vector<std::pair<uint64_t, uid_t>> modest_first;
  for (const auto& [user, loops] : wanted) modest_first.emplace_back(loops, user);
  std::sort(modest_first.begin(), modest_first.end());
  std::map<uid_t, uint64_t> shares;
  uint64_t left = most;
  size_t users = modest_first.size();
  for (const auto& [loops, user] : modest_first) {
    const uint64_t share = std::min(loops, left / users--);
    shares[user] = share;
    left -= share;
  }
  return shares;
}

}  // namespace looptap
