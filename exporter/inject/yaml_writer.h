// From YAML to text.
//
// Thread-safe: a pure function. Errors: YamlError, with the place.
#pragma once

#include <string>

#include "exporter/inject/yaml_node.h"

namespace looptap {

/// One document without "---" and with lines as long as they are. The result has been read again and compared with the tree.
/// \throws YamlError
std::string write_yaml(const YamlNode& root);

}  // namespace looptap
