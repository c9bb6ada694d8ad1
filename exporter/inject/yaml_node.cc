#include "exporter/inject/yaml_node.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace looptap {

namespace {

/// Whether YAML 1.1 or 1.2 certainly takes the plain scalar for a string, and for the whole of it.
bool is_safe_plain(const std::string& text) {
  static constexpr std::string_view kOtherwise[] = {"y",   "n",    "yes",   "no",  "on",
                                                    "off", "true", "false", "null"};
  std::string lower;
  for (const char byte : text) lower += static_cast<char>(tolower(static_cast<unsigned char>(byte)));
  if (std::find(std::begin(kOtherwise), std::end(kOtherwise), lower) != std::end(kOtherwise)) return false;
  const bool ordinary = std::all_of(text.begin(), text.end(), [](unsigned char byte) {
    return (byte < 0x80 && isalnum(byte)) || std::string_view("-._/:@=").find(byte) != std::string_view::npos;
  });
  const bool starts_well =
      !text.empty() &&
      (isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/' ||
       (text.starts_with("--") && text.size() > 2 && isalpha(static_cast<unsigned char>(text[2]))));
  return ordinary && starts_well && text.back() != ':';
}

}  // namespace

bool may_be_no_string(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f && byte != ':' && byte != '?';
  });
}

bool YamlNode::is_null() const {
  return kind == YamlKind::kScalar && style == YamlStyle::kPlain &&
         (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL");
}

const YamlNode* YamlNode::find(const std::string& key) const {
  if (kind != YamlKind::kMapping) throw YamlError(place, "a mapping is expected here");
  const YamlNode* found = nullptr;
  for (size_t i = 0; i + 1 < children.size(); i += 2) {
    if (children[i].kind != YamlKind::kScalar || children[i].value != key) continue;
    if (found) throw YamlError(children[i].place, "\"" + key + "\" is there twice");
    found = &children[i + 1];
  }
  return found;
}

YamlNode* YamlNode::find(const std::string& key) {
  return const_cast<YamlNode*>(std::as_const(*this).find(key));
}

YamlNode& YamlNode::add(const std::string& key, YamlNode node) {
  children.push_back(yaml_string(key));
  children.push_back(std::move(node));
  return children.back();
}

YamlNode yaml_string(const std::string& text) {
  YamlNode made;
  made.value = text;
  made.quoted_implicit = !may_be_no_string(text);
  if (is_safe_plain(text)) return made;
  made.style = YamlStyle::kDoubleQuoted;
  made.plain_implicit = false;
  made.quoted_implicit = true;
  return made;
}

YamlNode yaml_literal(const std::string& text) {
  YamlNode made;
  made.value = text;
  return made;
}

void quote_new_strings(YamlNode& root) {
  const bool number_or_boolean = root.value == "true" || root.value == "false" ||
                                 root.value.find_first_not_of("0123456789") == std::string::npos;
  if (root.kind == YamlKind::kScalar && root.place.line == 0 && !number_or_boolean) {
    root.style = YamlStyle::kDoubleQuoted;
    root.plain_implicit = false;
    root.quoted_implicit = true;
  }
  for (YamlNode& child : root.children) quote_new_strings(child);
}

YamlNode yaml_sequence(std::vector<YamlNode> items) {
  YamlNode made;
  made.kind = YamlKind::kSequence;
  made.style = YamlStyle::kBlock;
  made.quoted_implicit = true;
  made.children = std::move(items);
  return made;
}

YamlNode yaml_mapping(std::vector<std::pair<std::string, YamlNode>> entries) {
  YamlNode made = yaml_sequence({});
  made.kind = YamlKind::kMapping;
  for (auto& [key, value] : entries) made.add(key, std::move(value));
  return made;
}

}  // namespace looptap
