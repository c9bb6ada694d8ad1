// Whether an LD_PRELOAD gets into a program, told from its file before it is run.
//
// Thread-safe. Errors: what cannot be read counts as "nothing is known to be in the way".
#pragma once

#include <string>

namespace looptap {

/// Looks a command up as execvp would: on PATH unless it holds a slash. Empty when there is none.
std::string find_command(const std::string& command);

/// What keeps a preload out of the program in this file, as one clause for a log line: it is static, set-uid, has
/// capabilities, or is not 64-bit. Empty: nothing is known to. A script is judged by its interpreter.
std::string preload_blocker(const std::string& path);

}  // namespace looptap
