// Tells of a process whose LOOPTAP_* settings have a value that the probe did not understand: who misspelt one should not
// have to find out by LOOPTAP_VERBOSE.
//
// Thread-safety: any. Errors: none.
#pragma once

#include <cstdint>

#include "exporter/model/process_identity.h"

namespace looptap {

/// Makes the series, so that they are at 0 from the start.
void declare_wrong_settings();

/// Counts each, and logs it.
/// \param wrong LOOPTAP_SETTING_* (preload/segment_layout.h); bits that are not known are left out.
void tell_wrong_settings(const ProcessIdentity& process, uint32_t wrong);

}  // namespace looptap
