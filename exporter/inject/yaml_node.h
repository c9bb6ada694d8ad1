// YAML as a tree that keeps how things were written: what is not changed is written back as it was read.
//
// Thread-safety: none. Errors: YamlError, with the place.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace looptap {

/// In the text that was read; both count from 1, columns in characters.
struct YamlPlace {
  size_t line = 0;
  size_t column = 0;
};

struct YamlError : std::runtime_error {
  YamlError(const YamlPlace& where, const std::string& what) : std::runtime_error(what), place(where) {}
  YamlPlace place;
};

enum class YamlKind { kScalar, kSequence, kMapping, kAlias };
enum class YamlStyle { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral, kBlock, kFlow };

struct YamlNode {
  YamlKind kind = YamlKind::kScalar;
  YamlStyle style = YamlStyle::kPlain;  ///< of a scalar the first four, of a collection the last two
  bool plain_implicit = true;           ///< as libyaml has them: whether the tag follows from a plain scalar,
  bool quoted_implicit = false;         ///< from one that is not plain, or (both) from a collection
  std::string tag;                      ///< in full; empty: none
  std::string anchor;                   ///< empty: none
  std::string value;                    ///< a scalar's text without its quotes; an alias's name
  std::vector<YamlNode> children;       ///< a sequence's items; a mapping's keys and values in turn
  YamlPlace place;                      ///< line 0: it was not read

  bool is_null() const;  ///< a scalar that YAML reads as null

  /// A mapping's value, or null. A key that is there twice counts for an error.
  /// \throws YamlError where this is no mapping. \{
  YamlNode* find(const std::string& key);
  const YamlNode* find(const std::string& key) const;
  /// \}

  /// Adds to a mapping that has no such key. \return the value
  YamlNode& add(const std::string& key, YamlNode node);
};

/// Whether a plain scalar might be something else than a string: then it has to stay plain. What is not ASCII, or goes
/// over several lines, or has one of these two in it is a string for Kubernetes, and libyaml may have to quote it.
bool may_be_no_string(const std::string& text);

/// A string, quoted where YAML 1.1 (which Kubernetes reads) might read anything else.
YamlNode yaml_string(const std::string& text);
/// A number or boolean.
YamlNode yaml_literal(const std::string& text);
/// Puts those strings into double quotes that were not read: for what is JSON, and stays it.
void quote_new_strings(YamlNode& root);
YamlNode yaml_sequence(std::vector<YamlNode> items);
YamlNode yaml_mapping(std::vector<std::pair<std::string, YamlNode>> entries);

}  // namespace looptap
