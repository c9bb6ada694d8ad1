#include "exporter/base/capabilities.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace looptap {

namespace {

// Version 3 of the interface has 64 bits, in two words. Without libcap: it is two calls.
struct Sets {
  __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = {};

  bool get() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    return syscall(SYS_capget, &header, words) == 0;
  }
  void set() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    syscall(SYS_capset, &header, words);
  }
};

}  // namespace

bool has_capability(int capability) {
  Sets sets;
  return sets.get() && (sets.words[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability));
}

void keep_only_capabilities(std::initializer_list<int> wanted) {
  uint32_t kept[_LINUX_CAPABILITY_U32S_3] = {};
  for (const int capability : wanted) kept[CAP_TO_INDEX(capability)] |= CAP_TO_MASK(capability);
  Sets sets;
  if (!sets.get()) return;
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
    sets.words[i].permitted &= kept[i];
    sets.words[i].effective &= kept[i];
    sets.words[i].inheritable = 0;
  }
  sets.set();
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

}  // namespace looptap
