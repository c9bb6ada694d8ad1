// YAML without aliases, so that an edit of one place does not change another.
//
// Thread-safe: a pure function. Errors: YamlError, with the place.
#pragma once

#include "exporter/inject/yaml_node.h"

namespace looptap {

/// The same without aliases, anchors and merge keys (<<), as Kubernetes would understand it.
/// \throws YamlError, also where the aliases stand for more than a few hundred thousand nodes.
YamlNode expand_aliases(const YamlNode& root);

}  // namespace looptap
