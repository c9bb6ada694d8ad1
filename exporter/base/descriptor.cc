#include "exporter/base/descriptor.h"

#include <sys/resource.h>
#include <unistd.h>

namespace looptap {

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

bool may_stay_open(int descriptor, unsigned percent) {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
         static_cast<rlim_t>(descriptor) <
             limit.rlim_cur / 100 * percent + limit.rlim_cur % 100 * percent / 100;
}

}  // namespace looptap
