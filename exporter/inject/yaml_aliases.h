// YAML without aliases.
#pragma once

#include "exporter/inject/yaml_node.h"

namespace looptap {

/// The same without aliases, anchors and merge keys (<<), as Kubernetes would understand it.
/// \throws YamlError, also where the aliases stand for more than a few hundred thousand nodes.
YamlNode expand_aliases(const YamlNode& root);

}  // namespace looptap
