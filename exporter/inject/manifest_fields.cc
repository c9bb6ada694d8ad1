#include "exporter/inject/manifest_fields.h"

namespace looptap {

std::string text_of(const YamlNode* node) {
  return node && node->kind == YamlKind::kScalar && !node->is_null() ? node->value : "";
}

YamlNode* mapping_in(YamlNode* parent, const std::string& key) {
  YamlNode* found = parent ? parent->find(key) : nullptr;
  if (!found || found->is_null()) return nullptr;
  if (found->kind != YamlKind::kMapping) throw YamlError(found->place, key + ": a mapping is expected here");
  return found;
}

YamlNode* list_in(YamlNode& parent, const std::string& key) {
  YamlNode* found = parent.find(key);
  if (!found || found->is_null()) return nullptr;
  if (found->kind != YamlKind::kSequence) throw YamlError(found->place, key + ": a list is expected here");
  for (const YamlNode& item : found->children)
    if (item.kind != YamlKind::kMapping) throw YamlError(item.place, key + ": its items are mappings");
  return found;
}

YamlNode& list_made_in(YamlNode& parent, const std::string& key) {
  if (YamlNode* found = list_in(parent, key)) {
    if (found->children.empty()) found->style = YamlStyle::kBlock;  // else [] would be filled on its line
    return *found;
  }
  if (YamlNode* null = parent.find(key)) return *null = yaml_sequence({});
  return parent.add(key, yaml_sequence({}));
}

YamlNode* item_named(YamlNode* list, const std::string& key, const std::string& name) {
  YamlNode* found = nullptr;
  if (list)
    for (YamlNode& item : list->children)
      if (text_of(item.find(key)) == name) found = &item;  // the last one counts
  return found;
}

}  // namespace looptap
