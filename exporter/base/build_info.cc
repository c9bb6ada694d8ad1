#include "exporter/base/build_info.h"

#ifndef LOOPTAP_REVISION
#define LOOPTAP_REVISION "unknown"
#endif

namespace looptap {

const char* build_version() { return LOOPTAP_VERSION; }
const char* build_revision() { return LOOPTAP_REVISION; }

}  // namespace looptap
