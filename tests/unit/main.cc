// main() of the unit tests. Catch2 3 brings its own, in libCatch2Main.

#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#endif
#include "tests/unit/catch.h"
