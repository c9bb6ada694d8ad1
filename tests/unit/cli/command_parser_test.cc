// What is parsed of a command line, whatever the commands are.
#include "exporter/cli/command_parser.h"

#include "tests/unit/catch.h"
#include "tests/unit/cli/test_command_line.h"

using namespace looptap;

namespace {

struct Options {
  std::string text;
  std::optional<std::string> maybe;
  std::vector<std::string> list, words;
  bool on = false;
  std::string argument;
};
Options g_seen;

int remember(const Options& options) {
  g_seen = options;
  return 7;
}

/// One flag of each kind.
class PaintFlags {
 public:
  void declare(FlagSet& set) {
    set.add("--text", options_.text, "WORD", "a word");
    set.add("--maybe", options_.maybe, "WORD", "a word, or none");
    set.add("--list", options_.list, "WORD", "a word; repeatable");
    set.add_words("--words", options_.words, "WORD", "words");
    set.add("--on", options_.on, "turn it on");
    set.add_argument("WALL", options_.argument, "what is painted");
  }
  Options check() const {
    if (options_.text == "wrong") throw std::invalid_argument("--text: wrong");
    return options_;
  }

 private:
  Options options_{"white", std::nullopt, {}, {}, false, ""};
};

struct Words {
  std::vector<std::string> words;
};
class WrapFlags {
 public:
  void declare(FlagSet& set) {
    set.add_required("-f,--file", file_, "FILE", "a file");
    set.add_trailing_command(words_.words);
    set.add_note("It is wrapped.");
  }
  Words check() const { return words_; }

 private:
  std::string file_;
  Words words_;
};

std::vector<std::string> g_words;

const std::vector<Command> kCommands = {
    command<PaintFlags>("paint", "[flags] WALL", "paint a wall", remember),
    command<WrapFlags>("wrap", "-f FILE -- COMMAND", "wrap a command",
                       [](const Words& words) {
                         g_words = words.words;
                         return 0;
                       }),
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

int run(std::vector<std::string> words) { return parse(kCommands, std::move(words)).run(); }

}  // namespace

TEST_CASE("a command gets its flags, and its status is the status") {
  CHECK(run({"paint", "--text=red", "--maybe=", "--list", "a,b", "--list=c", "--on", "north"}) == 7);
  CHECK(g_seen.text == "red");
  CHECK(g_seen.maybe == "");
  CHECK(g_seen.list == std::vector<std::string>{"a,b", "c"});
  CHECK(g_seen.on);
  CHECK(g_seen.argument == "north");
}

TEST_CASE("an empty command line gets help, and is no success") {
  const Request request = parse(kCommands, {});
  CHECK(contains(request.text, "looptap wrap -f FILE -- COMMAND"));
  CHECK(request.status == 2);
  CHECK(parse(kCommands, {"--help"}).status == 0);
}

TEST_CASE("a flag of words takes all of them, up to the next flag") {
  run({"paint", "--words", "a", "b", "--on", "--words=c", "d", "--list=e", "north"});
  CHECK(g_seen.words == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(g_seen.list == std::vector<std::string>{"e"});
  CHECK(g_seen.on);
  CHECK(g_seen.argument == "north");
}

TEST_CASE("an empty value is empty, and the next word is not taken for it") {
  run({"paint", "--text=", "--on", "--list=", "--maybe=", "north"});
  CHECK(g_seen.text.empty());
  CHECK(g_seen.on);
  CHECK(g_seen.list == std::vector<std::string>{""});
  CHECK(g_seen.maybe == "");
  CHECK(g_seen.argument == "north");
}

TEST_CASE("a flag that is not given keeps its default") {
  run({"paint", "north"});
  CHECK(g_seen.text == "white");
  CHECK_FALSE(g_seen.maybe);
  CHECK(g_seen.list.empty());
  CHECK_FALSE(g_seen.on);
}

TEST_CASE("what stands after the dashes is not read as flags") {
  run({"wrap", "-f", "x", "--", "sh", "-c", "--", "--help"});
  CHECK(g_words == std::vector<std::string>{"sh", "-c", "--", "--help"});
}

TEST_CASE("nothing is done before every value is checked") {
  g_seen = {};
  const Request request = parse(kCommands, {"paint", "--text=wrong", "north"});
  CHECK(refusal([&] { request.run(); }) == "--text: wrong");
  CHECK(g_seen.argument.empty());
}

TEST_CASE("help and version are for printing") {
  const auto text = [](std::vector<std::string> words) {
    const Request request = parse(kCommands, std::move(words));
    CHECK_FALSE(request.run);
    return request.text;
  };
  CHECK(text({"--version"}).starts_with("looptap "));
  CHECK(contains(text({"--help"}), "  looptap wrap -f FILE -- COMMAND\n"));
  CHECK(contains(text({"paint", "--help"}), "--text WORD=white"));
  CHECK(contains(text({"wrap", "--help"}), "The command comes after --:"));
  CHECK(contains(text({"wrap", "--help"}), "\nIt is wrapped.\n"));
  CHECK(text({"help"}) == text({"--help"}));
  CHECK(text({"help", "wrap"}) == text({"wrap", "--help"}));
}

TEST_CASE("a wrong command line gets one line") {
  const auto line = [](std::vector<std::string> words) { return refusal([&] { run(std::move(words)); }); };
  CHECK(line({"sing"}) ==
        "unknown command \"sing\": it is paint or wrap; a program is started by looptap wrap -f FILE -- "
        "COMMAND");
  CHECK(line({"--on", "paint"}) ==
        "\"--on\": the command comes first, and its flags behind it: paint or wrap");
  CHECK(line({"--", "sh"}) == "no command before the --: it is paint or wrap");
  for (const char* word : {"-v", "-V", "version"}) CHECK(contains(line({word}), "looptap --version"));
  CHECK(line({"paint", "--nonsense", "north"}) == "paint has no flag --nonsense");
  CHECK(line({"wrap", "-f", "x", "--text=red", "--", "sh"}) ==
        "wrap has no flag --text, but this has: looptap paint --text=red");
  CHECK(contains(line({"paint", "--text"}), "--text"));
  CHECK(contains(line({"paint"}), "WALL"));
  CHECK(contains(line({"paint", "north", "south"}), "south"));
  CHECK(line({"paint", "north", "--", "sh"}) == "paint takes no command");
  CHECK(contains(line({"wrap", "--", "sh"}), "--file"));
  CHECK(contains(line({"wrap", "-f", "x", "sh"}), "comes after --: looptap wrap"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"wrap", "-f", "x"}, std::vector<std::string>{"wrap", "-f", "x", "--"}})
    CHECK(line(words) == "no command to run: looptap wrap -f FILE -- COMMAND");
}
