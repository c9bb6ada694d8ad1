#include "exporter/inject/yaml_reader.h"

#include <yaml.h>

#include <algorithm>
#include <utility>

namespace looptap {

namespace {

constexpr size_t kDeepest = 400;  // the schemas of large resource definitions have some 60 levels

YamlPlace place_of(const yaml_mark_t& mark) { return {mark.line + 1, mark.column + 1}; }

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

}  // namespace

std::vector<YamlDocument> read_yaml(const std::string& text) {
  if (text.starts_with("\xfe\xff") || text.starts_with("\xff\xfe"))
    throw YamlError({1, 1}, "UTF-16; only UTF-8 is read");
  return Reader(text).read();
}

}  // namespace looptap
