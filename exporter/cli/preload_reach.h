// Whether an LD_PRELOAD reaches a program.
#pragma once

#include <string>

namespace looptap {

/// Looks a command up as execvp would: on PATH unless it holds a slash. Empty when there is none.
std::string find_command(const std::string& command);

/// Why a preload does not reach the program in this file; empty when it does (or nothing can be told).
/// A script is judged by its interpreter.
std::string why_out_of_reach(const std::string& path);

}  // namespace looptap
