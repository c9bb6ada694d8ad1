#include "exporter/yaml_document.h"

#include <yaml.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

namespace looptap {

namespace {

constexpr size_t kDeepest = 400;        // the schemas of large resource definitions have some 60 levels
constexpr size_t kMostNodes = 300'000;  // that aliases may expand to; etcd takes objects of 1.5 MB

YamlPlace place_of(const yaml_mark_t& mark) { return {mark.line + 1, mark.column + 1}; }

// ---- Scalars --------------------------------------------------------------------------------------------------------

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

/// Whether a plain scalar might be something else than a string: then it has to stay plain. What is not ASCII, or goes
/// over several lines, or has one of these two in it is a string for Kubernetes, and libyaml may have to quote it.
bool may_be_no_string(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f && byte != ':' && byte != '?';
  });
}

// ---- Reading --------------------------------------------------------------------------------------------------------

/// Where the lines begin, as libyaml counts them.
class Lines {
 public:
  explicit Lines(const std::string& text) : text_(text) {
    starts_.push_back(text.starts_with("\xef\xbb\xbf") ? 3 : 0);
    for (size_t i = starts_[0]; i < text.size();) {
      size_t width = 0;
      if (text.compare(i, 2, "\r\n") == 0 || text.compare(i, 2, "\xc2\x85") == 0)
        width = 2;
      else if (text[i] == '\n' || text[i] == '\r')
        width = 1;
      else if (text.compare(i, 3, "\xe2\x80\xa8") == 0 || text.compare(i, 3, "\xe2\x80\xa9") == 0)
        width = 3;
      i += width ? width : 1;
      if (width) starts_.push_back(i);
    }
  }

  /// \return the offset in bytes
  size_t start_of_line(const yaml_mark_t& mark) const {
    return mark.line < starts_.size() ? starts_[mark.line] : text_.size();
  }
  size_t offset(const yaml_mark_t& mark) const {
    size_t at = start_of_line(mark);
    for (size_t column = 0; column < mark.column && at < text_.size(); column++) do
        at++;
      while (at < text_.size() && (text_[at] & 0xc0) == 0x80);
    return at;
  }
  YamlPlace place(size_t offset) const {
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
    const size_t line = after == starts_.begin() ? 1 : static_cast<size_t>(after - starts_.begin());
    return {line, offset < starts_[line - 1] ? 1 : offset - starts_[line - 1] + 1};
  }

 private:
  const std::string& text_;
  std::vector<size_t> starts_;
};

struct Event {
  yaml_event_t is{};
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&is); }
};

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text), lines_(text) {
    if (!yaml_parser_initialize(&parser_)) throw std::bad_alloc();
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { yaml_parser_delete(&parser_); }

  std::vector<YamlDocument> read() {
    std::vector<YamlDocument> documents;
    std::vector<size_t> starts;
    for (;;) {
      Event event;
      next(event);
      if (event.is.type == YAML_STREAM_END_EVENT) break;
      if (event.is.type != YAML_DOCUMENT_START_EVENT) continue;  // the stream's start
      const size_t start = starts.empty() ? 0 : lines_.offset(event.is.start_mark);
      const size_t marker_end = lines_.offset(event.is.end_mark);
      const bool marked = !event.is.data.document_start.implicit;
      YamlDocument document;
      Event first;
      next(first);
      const yaml_mark_t content = first.is.start_mark;
      document.root = node(first, 1, false);
      const size_t content_line = lines_.start_of_line(content);
      if (!marked || content_line > marker_end)
        document.head = text_.substr(start, std::max(content_line, start) - start);
      else
        document.head = text_.substr(start, marker_end - start) + "\n";
      Event end;
      next(end);
      if (!end.is.data.document_end.implicit) {
        const size_t tail = lines_.offset(end.is.start_mark);
        document.tail = text_.substr(tail);
      }
      starts.push_back(start);
      documents.push_back(std::move(document));
    }
    for (size_t i = 0; i < documents.size(); i++) {
      YamlDocument& document = documents[i];
      const size_t end = i + 1 < documents.size() ? starts[i + 1] : text_.size();
      document.text = text_.substr(starts[i], end - starts[i]);
      // It was taken to the end of the text: what follows belongs to the next document.
      document.tail.resize(document.tail.size() - std::min(document.tail.size(), text_.size() - end));
    }
    return documents;
  }

 private:
  void next(Event& event) {
    if (yaml_parser_parse(&parser_, &event.is)) return;
    if (parser_.error == YAML_MEMORY_ERROR) throw std::bad_alloc();
    const std::string problem = parser_.problem ? parser_.problem : "no YAML";
    if (parser_.error == YAML_READER_ERROR)
      throw YamlError(lines_.place(std::min(parser_.problem_offset, text_.size())), problem);
    throw YamlError(place_of(parser_.problem_mark),
                    parser_.context ? std::string(parser_.context) + ": " + problem : problem);
  }

  static std::string string(const unsigned char* text) {
    return text ? reinterpret_cast<const char*>(text) : "";
  }

  YamlNode node(const Event& event, size_t depth, bool in_flow) {
    YamlNode made;
    made.place = place_of(event.is.start_mark);
    if (depth > kDeepest)
      throw YamlError(made.place, "nested deeper than " + std::to_string(kDeepest) + " levels");
    switch (event.is.type) {
      case YAML_ALIAS_EVENT:
        made.kind = YamlKind::kAlias;
        made.value = string(event.is.data.alias.anchor);
        return made;
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.is.data.scalar;
        made.value.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
        made.tag = string(scalar.tag);
        made.anchor = string(scalar.anchor);
        made.plain_implicit = scalar.plain_implicit;
        made.quoted_implicit = scalar.quoted_implicit;
        made.style = scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE   ? YamlStyle::kSingleQuoted
                     : scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE ? YamlStyle::kDoubleQuoted
                     : scalar.style == YAML_PLAIN_SCALAR_STYLE         ? YamlStyle::kPlain
                                                                       : YamlStyle::kLiteral;
        if (made.tag == "!") {  // a string, whatever it looks like
          made.tag.clear();
          made.plain_implicit = false;
          made.quoted_implicit = true;
          if (made.style == YamlStyle::kPlain) made.style = YamlStyle::kDoubleQuoted;
        }
        // libyaml may have to quote it, and then must not write a tag.
        made.quoted_implicit |= made.plain_implicit && made.tag.empty() && !may_be_no_string(made.value);
        // Where nothing is written, libyaml would write '' in a flow: the empty string.
        if (in_flow && made.style == YamlStyle::kPlain && made.value.empty() && made.tag.empty())
          made.value = "null";
        return made;
      }
      case YAML_SEQUENCE_START_EVENT: {
        const auto& start = event.is.data.sequence_start;
        made.kind = YamlKind::kSequence;
        made.style = start.style == YAML_FLOW_SEQUENCE_STYLE ? YamlStyle::kFlow : YamlStyle::kBlock;
        made.tag = string(start.tag);
        made.anchor = string(start.anchor);
        made.plain_implicit = made.quoted_implicit = start.implicit;
        read_children(made, YAML_SEQUENCE_END_EVENT, depth);
        return made;
      }
      default: {
        const auto& start = event.is.data.mapping_start;
        made.kind = YamlKind::kMapping;
        made.style = start.style == YAML_FLOW_MAPPING_STYLE ? YamlStyle::kFlow : YamlStyle::kBlock;
        made.tag = string(start.tag);
        made.anchor = string(start.anchor);
        made.plain_implicit = made.quoted_implicit = start.implicit;
        read_children(made, YAML_MAPPING_END_EVENT, depth);
        return made;
      }
    }
  }

  void read_children(YamlNode& parent, yaml_event_type_t end, size_t depth) {
    for (;;) {
      Event event;
      next(event);
      if (event.is.type == end) return;
      parent.children.push_back(node(event, depth + 1, parent.style == YamlStyle::kFlow));
    }
  }

  const std::string& text_;
  Lines lines_;
  yaml_parser_t parser_;
};

// ---- Aliases --------------------------------------------------------------------------------------------------------

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

// ---- Writing --------------------------------------------------------------------------------------------------------

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

std::vector<YamlDocument> read_yaml(const std::string& text) {
  if (text.starts_with("\xfe\xff") || text.starts_with("\xff\xfe"))
    throw YamlError({1, 1}, "UTF-16; only UTF-8 is read");
  return Reader(text).read();
}

YamlNode expand_aliases(const YamlNode& root) { return Expansion().expand(root); }

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
