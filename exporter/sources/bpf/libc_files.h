// The C libraries that processes have loaded.
//
// Thread-safe. Errors: a process that is gone, or may not be looked at, has none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace looptap {

struct LibcFile {
  std::string path;  ///< by which we can open it, also where it lies in a container
  bool is_musl = false;
};

/// Each file once, of these processes.
/// \param pids empty: of all.
std::vector<LibcFile> find_libc_files(const std::vector<uint32_t>& pids);

}  // namespace looptap
