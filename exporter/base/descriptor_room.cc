#include "exporter/base/descriptor_room.h"

#include <sys/resource.h>

namespace looptap {

bool may_stay_open(int descriptor, unsigned percent) {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
         static_cast<rlim_t>(descriptor) <
             limit.rlim_cur / 100 * percent + limit.rlim_cur % 100 * percent / 100;
}

}  // namespace looptap
