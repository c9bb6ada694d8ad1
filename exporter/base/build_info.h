// What was built. The Makefile tells only build_info.cc, so that a commit does not rebuild everything.
#pragma once

namespace looptap {

const char* build_version();   ///< such as "0.1.0"
const char* build_revision();  ///< the commit; "unknown" outside a checkout

}  // namespace looptap
