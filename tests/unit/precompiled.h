// Precompiled for the unit tests, which take it in before all else: what most of them parse, and what is slow to.
#ifndef LOOPTAP_TESTS_UNIT_PRECOMPILED_H  // gcc warns of #pragma once in what it precompiles
#define LOOPTAP_TESTS_UNIT_PRECOMPILED_H

#include "tests/unit/catch.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#endif
