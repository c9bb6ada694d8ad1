// Where liblooptap.so is, and how it gets in front of a program.
//
// Thread-safety: none is needed; commands call it before they start threads. Errors: std::runtime_error with one line.
#pragma once

#include <string>

namespace looptap {

/// The library that belongs to this executable: beside it (build tree), or in ../lib/looptap (installed).
/// \throws std::runtime_error when there is none.
std::string find_probe_library();

/// Makes a directory that every user may read, unless something is there. \throws std::runtime_error
void make_library_directory(const std::string& directory);

/// Copies the library into an existing directory, atomically: whoever loads it meanwhile gets the old one or
/// the new one, whole. Where the very same library is there it is left alone, and nothing need be writable.
/// \return the file's path. \throws std::runtime_error
std::string copy_probe_library(const std::string& library, const std::string& directory);

/// Whether LD_PRELOAD can hold the path: it takes blanks and colons for separators.
bool fits_in_preload(const std::string& path);

/// The value of LD_PRELOAD that adds the library behind what is there (may be empty).
std::string preload_with(const std::string& present, const std::string& library);

}  // namespace looptap
