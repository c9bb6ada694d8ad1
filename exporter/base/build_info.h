// The version and the commit of this build. The Makefile passes them to build_info.cc only, so that a commit does not
// rebuild everything.
//
// Thread-safe.
#pragma once

namespace looptap {

const char* build_version();   ///< such as "0.1.0"
const char* build_revision();  ///< the commit; "unknown" outside a checkout

}  // namespace looptap
