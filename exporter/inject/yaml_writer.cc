#include "exporter/inject/yaml_writer.h"

#include <yaml.h>

#include <cstring>
#include <utility>
#include <vector>

#include "exporter/inject/yaml_reader.h"

namespace looptap {

namespace {

class Writer {
 public:
  Writer() {
    if (!yaml_emitter_initialize(&emitter_)) throw std::bad_alloc();
    yaml_emitter_set_output(&emitter_, append, &text_);
    yaml_emitter_set_encoding(&emitter_, YAML_UTF8_ENCODING);
    yaml_emitter_set_unicode(&emitter_, 1);
    yaml_emitter_set_width(&emitter_, -1);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { yaml_emitter_delete(&emitter_); }

  std::string write(const YamlNode& root) {
    yaml_event_t event;
    emit(event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(event, yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1));
    write_node(root);
    emit(event, yaml_document_end_event_initialize(&event, 1));
    emit(event, yaml_stream_end_event_initialize(&event));
    return std::move(text_);
  }

 private:
  static int append(void* text, unsigned char* bytes, size_t size) {
    static_cast<std::string*>(text)->append(reinterpret_cast<const char*>(bytes), size);
    return 1;
  }

  static const unsigned char* bytes(const std::string& text) {
    return text.empty() ? nullptr : reinterpret_cast<const unsigned char*>(text.c_str());
  }

  void emit(yaml_event_t& event, int made) {
    if (!made) throw std::bad_alloc();
    if (!yaml_emitter_emit(&emitter_, &event))
      throw YamlError(place_, emitter_.problem ? emitter_.problem : "cannot be written");
  }

  void write_node(const YamlNode& node) {
    place_ = node.place;
    yaml_event_t event;
    switch (node.kind) {
      case YamlKind::kAlias:
        emit(event, yaml_alias_event_initialize(&event, bytes(node.value)));
        return;
      case YamlKind::kScalar: {
        const yaml_scalar_style_t style =
            node.style == YamlStyle::kSingleQuoted   ? YAML_SINGLE_QUOTED_SCALAR_STYLE
            : node.style == YamlStyle::kDoubleQuoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
            : node.style == YamlStyle::kLiteral      ? YAML_LITERAL_SCALAR_STYLE
                                                     : YAML_PLAIN_SCALAR_STYLE;
        emit(event, yaml_scalar_event_initialize(&event, bytes(node.anchor), bytes(node.tag),
                                                 reinterpret_cast<const unsigned char*>(node.value.data()),
                                                 static_cast<int>(node.value.size()), node.plain_implicit,
                                                 node.quoted_implicit, style));
        return;
      }
      case YamlKind::kSequence: {
        const auto style =
            node.style == YamlStyle::kFlow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE;
        emit(event, yaml_sequence_start_event_initialize(&event, bytes(node.anchor), bytes(node.tag),
                                                         node.plain_implicit, style));
        for (const YamlNode& child : node.children) write_node(child);
        emit(event, yaml_sequence_end_event_initialize(&event));
        return;
      }
      case YamlKind::kMapping: {
        const auto style =
            node.style == YamlStyle::kFlow ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE;
        emit(event, yaml_mapping_start_event_initialize(&event, bytes(node.anchor), bytes(node.tag),
                                                        node.plain_implicit, style));
        for (const YamlNode& child : node.children) write_node(child);
        emit(event, yaml_mapping_end_event_initialize(&event));
        return;
      }
    }
  }

  std::string text_;
  YamlPlace place_;
  yaml_emitter_t emitter_;
};

/// The first node that does not mean what it meant, or null.
const YamlNode* first_difference(const YamlNode& meant, const YamlNode& written) {
  if (meant.kind != written.kind || meant.tag != written.tag || meant.anchor != written.anchor ||
      meant.value != written.value || meant.children.size() != written.children.size())
    return &meant;
  const bool same_class =
      meant.plain_implicit == written.plain_implicit && meant.quoted_implicit == written.quoted_implicit;
  const bool plain_to_quoted =
      meant.kind == YamlKind::kScalar && meant.plain_implicit && !written.plain_implicit;
  if (!same_class && !(plain_to_quoted && !may_be_no_string(meant.value))) return &meant;
  for (size_t i = 0; i < meant.children.size(); i++)
    if (const YamlNode* different = first_difference(meant.children[i], written.children[i]))
      return different;
  return nullptr;
}

}  // namespace

std::string write_yaml(const YamlNode& root) {
  std::string text = Writer().write(root);
  // libyaml's way to end a document with a block that keeps its last newlines, wherever in it that is.
  if (text.ends_with("\n...\n")) text.resize(text.size() - strlen("...\n"));
  const std::vector<YamlDocument> documents = read_yaml(text);
  const YamlNode* different = documents.size() == 1 ? first_difference(root, documents[0].root) : &root;
  if (different) throw YamlError(different->place, "this cannot be written again as it was");
  return text;
}

}  // namespace looptap
