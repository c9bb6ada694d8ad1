// From text, which is untrusted input, to YAML. libyaml stays behind yaml_reader.cc and yaml_writer.cc.
//
// Thread-safe: a pure function. Errors: YamlError, with the place.
#pragma once

#include <string>
#include <vector>

#include "exporter/inject/yaml_node.h"

namespace looptap {

/// One document and its text: head + what `root` was read from + tail.
struct YamlDocument {
  YamlNode root;
  std::string text;  ///< all of it, as it was
  std::string head;  ///< comments, directives and "---", with the newline behind them
  std::string tail;  ///< "..." and what follows
};

/// The documents; their texts, put together, are the text. Aliases stay aliases.
/// \throws YamlError
std::vector<YamlDocument> read_yaml(const std::string& text);

}  // namespace looptap
