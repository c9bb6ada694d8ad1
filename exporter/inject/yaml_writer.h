// From YAML to text.
#pragma once

#include <string>

#include "exporter/inject/yaml_node.h"

namespace looptap {

/// One document without "---" and without a line's limit. What comes out was read again and compared.
/// \throws YamlError
std::string write_yaml(const YamlNode& root);

}  // namespace looptap
