// Catch2, whichever version is installed: 2 (Debian 12) is one header, 3 (Debian 13) a library.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;  // as version 2 does by itself
#else
#include <catch2/catch.hpp>
#endif
