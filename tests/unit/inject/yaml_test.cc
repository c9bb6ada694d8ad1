#include "exporter/inject/yaml_aliases.h"
#include "exporter/inject/yaml_reader.h"
#include "exporter/inject/yaml_writer.h"

#include "tests/unit/catch.h"

using namespace looptap;

namespace {

std::string complaint(const std::string& text) {
  try {
    for (const YamlDocument& document : read_yaml(text)) write_yaml(expand_aliases(document.root));
  } catch (const YamlError& error) {
    return std::to_string(error.place.line) + ":" + std::to_string(error.place.column) + ": " + error.what();
  }
  return "";
}

std::string expanded(const std::string& text) {
  return write_yaml(expand_aliases(read_yaml(text).at(0).root));
}

}  // namespace

TEST_CASE("YAML is written as it was read") {
  for (const std::string& text : std::vector<std::string>{"a: b\n",
                                                          "a: \"yes\"\n",
                                                          "a: 'no'\n",
                                                          "a: 1.10\n",
                                                          "a: 0755\n",
                                                          "a: 0o17\n",
                                                          "a: 1_000\n",
                                                          "a: 1e3\n",
                                                          "a: \"1e3\"\n",
                                                          "a: 12:30:45\n",
                                                          "a: ~\n",
                                                          "a:\n",
                                                          "a: null\n",
                                                          "a: 'null'\n",
                                                          "a: \"\"\n",
                                                          "a: ''\n",
                                                          "a: |\n  one\n\n    two\n  three\n",
                                                          "a: |-\n  one\n  two\n",
                                                          "a: |+\n  one\n\nb: c\n",
                                                          "a: |2\n    indented\n  text\n",
                                                          "- a\n- - b\n  - c\n- {d: e, f: [g, \"h\"]}\n",
                                                          "? [a, b]\n: c\n",
                                                          "a: &x {b: 1}\nc: *x\n",
                                                          "a: !!str 1\n",
                                                          "a: !own {b: c}\n",
                                                          "a: 'it''s'\n",
                                                          "a: \"tab\\tend\"\n",
                                                          "{\"a\": [1, true, null, \"b\"]}\n",
                                                          "a: http://example:80/#x\n",
                                                          "a: -Xmx1g -XX:+UseG1GC\n",
                                                          "a: \xc3\xa9\xe2\x82\xac\n",
                                                          "\"on\": on\n",
                                                          "a: .5\n",
                                                          "a: 2001-12-14\n",
                                                          "a: =\n"}) {
    CAPTURE(text);
    CHECK(write_yaml(read_yaml(text).at(0).root) == text);
  }
}

TEST_CASE("what cannot be written as it was means the same") {
  for (const auto& [text, written] : std::vector<std::pair<std::string, std::string>>{
           {"a: >\n  one\n  line\n\n  two\n", "a: |\n  one line\n  two\n"},
           {"a: one\n  line\n", "a: one line\n"},
           {"{a: , b: }\n", "{a: null, b: null}\n"},
           {"a:   # why\n  - b\n", "a:\n- b\n"},
           {"a: ! 12\n", "a: \"12\"\n"},
           {"a: \xf0\x9f\x98\x80\n", "a: \"\\U0001F600\"\n"}}) {
    CAPTURE(text);
    CHECK(write_yaml(read_yaml(text).at(0).root) == written);
  }
}

TEST_CASE("the texts of the documents together are the text") {
  for (const std::string& text : std::vector<std::string>{
           "", "\n", "# only a comment\n", "---\n", "---\n---\n", "a: b", "---\na: b\n---\nc: d\n",
           "# first\n---\n# second\na: b\n...\n# third\n---\n- 1\n", "%YAML 1.1\n---\na: b\n...\n",
           "--- a\n--- b\n", "--- {a: b}\n", "a: |+\n  b\n\n\n---\nc: d\n",
           "\xef\xbb\xbf"
           "a: b\n---\nc: d\n",
           "a: b\r\n---\r\nc: d\r\n", "a: b\n---\n\xef\xbb\xbf# x\nc: d\n", "a: \xe2\x80\xa8 b\n---\nc: d\n",
           "a: \xc3\xa9 # \xc3\xa9\n--- c\n"}) {
    CAPTURE(text);
    std::string whole;
    for (const YamlDocument& document : read_yaml(text)) {
      whole += document.text;
      CHECK(
          document.text.starts_with(document.head.substr(0, document.head.size() - !document.head.empty())));
      CHECK(document.text.ends_with(document.tail));
    }
    CHECK((whole == text || read_yaml(text).empty()));
  }
}

TEST_CASE("the head of a document is what stands before its content") {
  const auto documents = read_yaml("# a\n---\n# b\nc: d\n--- {e: f}\n...\n# g\n");
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].head == "# a\n---\n# b\n");
  CHECK(documents[0].tail.empty());
  CHECK(documents[1].head == "---\n");
  CHECK(documents[1].tail == "...\n# g\n");
}

TEST_CASE("aliases and merge keys are expanded") {
  CHECK(expanded("a: &x [1, &y 2]\nb: *x\nc: *y\n") == "a: [1, 2]\nb: [1, 2]\nc: 2\n");
  CHECK(expanded("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\n") == "a: {k: 1, l: 2}\nb:\n  l: 3\n  k: 1\n");
  CHECK(expanded("<<: [{a: 1}, {a: 2, b: 3}]\n") == "a: 1\nb: 3\n");
  CHECK(expanded("a: &x 1\nb: &x 2\nc: *x\n") == "a: 1\nb: 2\nc: 2\n");
  CHECK(expanded("\"<<\": {a: 1}\n") == "\"<<\": {a: 1}\n");
}

TEST_CASE("what is no YAML gets its place and one line") {
  const std::string bomb = [] {
    std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; i++) {
      const std::string before = "*a" + std::to_string(i - 1);
      text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
      for (int j = 0; j < 8; j++) text += ", " + before;
      text += "]\n";
    }
    return text;
  }();
  for (const auto& [text, said] :
       std::vector<std::pair<std::string, std::string>>{{"a: b: c\n", "1:5: "},
                                                        {"a: [1, 2\n", "2:1: "},
                                                        {"a:\n\t- b\n", "2:1: "},
                                                        {"a: \"b\n", "2:1: "},
                                                        {"a: *x\n", "1:4: "},
                                                        {"a: &x [*x]\n", "1:8: "},
                                                        {"a: b\nc: \xff\n", "2:4: "},
                                                        {std::string("a: b\n\0\n", 7), "2:1: "},
                                                        {"\x7f"
                                                         "ELF\x02\x01\x01",
                                                         "1:1: "},
                                                        {std::string("\xff\xfe"
                                                                     "a\0",
                                                                     4),
                                                         "1:1: UTF-16"},
                                                        {std::string(100'000, '['), "1:"},
                                                        {std::string(100'000, '{'), "1:"},
                                                        {[] {
                                                           std::string text;
                                                           for (int i = 0; i < 100'000; i++) text += "- ";
                                                           return text;
                                                         }(),
                                                         "1:"},
                                                        {bomb, "aliases stand for more than"}}) {
    CAPTURE(text.substr(0, 60));
    const std::string what = complaint(text);
    CAPTURE(what);
    CHECK(what.find(said) != std::string::npos);
    CHECK(what.find('\n') == std::string::npos);
  }
}

TEST_CASE("strings that were made are strings for YAML 1.1, too") {
  for (const std::string& text :
       std::vector<std::string>{"web", "/looptap/lib", "--flag=x", "registry:5000/a@sha256:0f"})
    CHECK(yaml_string(text).style == YamlStyle::kPlain);
  for (const std::string& text :
       std::vector<std::string>{"",     "1",    "0755",  "yes",  "Off", "n",  "null",      "~",  "1e3",
                                "a: b", "a #b", "-",     "--",   "---", "a:", "*x",        "&x", "!x",
                                "{a}",  "a,b",  "12:30", ".inf", "=",   "<<", "two\nlines"})
    CHECK(yaml_string(text).style == YamlStyle::kDoubleQuoted);
}
