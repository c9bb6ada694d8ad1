#include "exporter/inject/yaml_aliases.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace looptap {

namespace {

constexpr size_t kMostNodes = 300'000;  // that aliases may expand to; etcd takes objects of 1.5 MB

class Expansion {
 public:
  YamlNode expand(const YamlNode& node) {
    if (node.kind == YamlKind::kAlias) return stand_in(node);
    if (!node.anchor.empty()) anchors_[node.anchor] = nullptr;  // until it is complete
    count(node, 1);
    YamlNode made = node;
    made.anchor.clear();
    made.children.clear();
    for (const YamlNode& child : node.children) made.children.push_back(expand(child));
    if (made.kind == YamlKind::kMapping) merge(made);
    if (!node.anchor.empty()) anchors_[node.anchor] = std::make_shared<const YamlNode>(made);
    return made;
  }

 private:
  void count(const YamlNode& node, size_t more) {
    nodes_ += more;
    if (nodes_ > kMostNodes)
      throw YamlError(node.place, "aliases stand for more than " + std::to_string(kMostNodes) + " nodes");
  }

  void count_all(const YamlNode& alias, const YamlNode& node) {
    count(alias, 1);
    for (const YamlNode& child : node.children) count_all(alias, child);
  }

  YamlNode stand_in(const YamlNode& alias) {
    const auto found = anchors_.find(alias.value);
    if (found == anchors_.end())
      throw YamlError(alias.place, "*" + alias.value + ": there is no such anchor");
    if (!found->second) throw YamlError(alias.place, "*" + alias.value + " is part of what it stands for");
    count_all(alias, *found->second);
    YamlNode made = *found->second;
    made.place = alias.place;
    return made;
  }

  static bool is_merge(const YamlNode& key) {
    return key.kind == YamlKind::kScalar && key.style == YamlStyle::kPlain && key.value == "<<";
  }

  static void merge(YamlNode& mapping) {
    bool any = false;
    for (size_t i = 0; i < mapping.children.size(); i += 2) any |= is_merge(mapping.children[i]);
    if (!any) return;
    std::vector<YamlNode> old = std::move(mapping.children);
    mapping.children.clear();
    for (size_t i = 0; i < old.size(); i += 2) {
      if (is_merge(old[i])) continue;
      mapping.children.push_back(std::move(old[i]));
      mapping.children.push_back(std::move(old[i + 1]));
    }
    for (size_t i = 0; i < old.size(); i += 2) {
      if (!is_merge(old[i])) continue;  // moved; its text is gone
      const YamlNode& source = old[i + 1];
      if (source.kind == YamlKind::kSequence)
        for (const YamlNode& one : source.children) add_missing(mapping, one);
      else
        add_missing(mapping, source);
    }
  }

  static void add_missing(YamlNode& mapping, const YamlNode& source) {
    if (source.kind != YamlKind::kMapping) throw YamlError(source.place, "<< takes mappings only");
    for (size_t i = 0; i + 1 < source.children.size(); i += 2) {
      const YamlNode& key = source.children[i];
      if (key.kind == YamlKind::kScalar && mapping.find(key.value)) continue;
      mapping.children.push_back(key);
      mapping.children.push_back(source.children[i + 1]);
    }
  }

  std::map<std::string, std::shared_ptr<const YamlNode>> anchors_;
  size_t nodes_ = 0;
};

}  // namespace

YamlNode expand_aliases(const YamlNode& root) { return Expansion().expand(root); }

}  // namespace looptap
