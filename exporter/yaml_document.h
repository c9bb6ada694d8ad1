// YAML as a tree that keeps how things were written, and the text around it. libyaml stays behind yaml_document.cc.
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

/// A string, quoted where YAML 1.1 (which Kubernetes reads) might read anything else.
YamlNode yaml_string(const std::string& text);
/// A number or boolean.
YamlNode yaml_literal(const std::string& text);
/// Puts those strings into double quotes that were not read: for what is JSON, and stays it.
void quote_new_strings(YamlNode& root);
YamlNode yaml_sequence(std::vector<YamlNode> items);
YamlNode yaml_mapping(std::vector<std::pair<std::string, YamlNode>> entries);

/// One document and its text: head + what `root` was read from + tail.
struct YamlDocument {
  YamlNode root;
  std::string text;  ///< all of it, as it was
  std::string head;  ///< comments, directives and "---", with the newline behind them
  std::string tail;  ///< "..." and what follows
};

/// The documents, whose texts together are the text. Aliases stay aliases.
/// \throws YamlError
std::vector<YamlDocument> read_yaml(const std::string& text);

/// The same without aliases, anchors and merge keys (<<), as Kubernetes would understand it.
/// \throws YamlError, also where the aliases stand for more than a few hundred thousand nodes.
YamlNode expand_aliases(const YamlNode& root);

/// One document without "---" and without a line's limit. What comes out was read again and compared.
/// \throws YamlError
std::string write_yaml(const YamlNode& root);

}  // namespace looptap
