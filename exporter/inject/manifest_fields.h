// Fields of Kubernetes objects, read and made in a tree of YAML.
//
// Thread-safe: pure functions. Errors: YamlError, with the place.
#pragma once

#include <string>

#include "exporter/inject/yaml_node.h"

namespace looptap {

/// A scalar's text; "" for null and for anything else.
std::string text_of(const YamlNode* node);

/// The mapping under the key, or null where there is none. \throws YamlError where something else is.
YamlNode* mapping_in(YamlNode* parent, const std::string& key);

/// The list of mappings under the key, or null where there is none. \throws YamlError where something else is.
YamlNode* list_in(YamlNode& parent, const std::string& key);

/// The same; where there is none, one is made. \throws YamlError where something else is.
YamlNode& list_made_in(YamlNode& parent, const std::string& key);

/// The item of a list (which may be null) whose field `key` is `name`, the last one if there are several; or null.
YamlNode* item_named(YamlNode* list, const std::string& key, const std::string& name);

}  // namespace looptap
