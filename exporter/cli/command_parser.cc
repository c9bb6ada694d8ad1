#include "exporter/cli/command_parser.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <stdexcept>

#include "exporter/base/build_info.h"

namespace looptap {

namespace {

constexpr int kMostWords = 1000;
constexpr int kNothingDone = 2;

/// Some of CLI11's errors have several lines.
std::string first_line(std::string text) {
  text.erase(std::find(text.begin(), text.end(), '\n'), text.end());
  return text;
}

std::string synopsis_of(const Command& command) {
  return "looptap " + command.name + " " + command.arguments;
}

/// The words as CLI11 wants them: the last one first. "--name=" becomes two words, as CLI11 takes the next word, a flag
/// too, for the value of a flag whose value is empty.
std::vector<std::string> reversed(const std::vector<std::string>& given) {
  std::vector<std::string> words;
  for (std::string word : given) {
    const bool empty_value = word.starts_with("--") && word.size() > 3 && word.find('=') == word.size() - 1;
    if (empty_value) word.pop_back();
    words.push_back(word);
    if (empty_value) words.emplace_back();
  }
  std::reverse(words.begin(), words.end());
  return words;
}

/// "run, serve or install"
std::string names_of(const std::vector<Command>& commands) {
  std::string names;
  for (size_t i = 0; i < commands.size(); i++) {
    if (i) names += i + 1 == commands.size() ? " or " : ", ";
    names += commands[i].name;
  }
  return names;
}

/// A command as CLI11 knows it.
struct Declared {
  const Command* command;
  CLI::App* app;
  FlagSet flags;
  std::function<int()> run;
};

Declared declare(const Command& command, CLI::App& app) {
  CLI::App* const sub = app.add_subcommand(command.name, command.about);
  Declared declared{&command, sub, FlagSet(*sub), {}};
  declared.run = command.declare(declared.flags);
  std::string footer;
  if (declared.flags.trailing_command()) footer = "The command comes after --:  " + synopsis_of(command);
  for (const std::string& note : declared.flags.notes()) footer += (footer.empty() ? "" : "\n") + note;
  if (!footer.empty()) sub->footer(footer);
  return declared;
}

/// What stands first has to be a command, or one of our own few flags.
void refuse_unless_command(const std::vector<std::string>& words, const std::vector<Command>& commands,
                           const std::vector<Declared>& all) {
  if (words.empty()) throw std::invalid_argument("no command before the --: it is " + names_of(commands));
  const std::string& first = words[0];
  const auto is_one_of = [&](std::initializer_list<const char*> flags) {
    return std::find(flags.begin(), flags.end(), first) != flags.end();
  };
  if (is_one_of({"-h", "--help", "--version"}) ||
      std::any_of(commands.begin(), commands.end(), [&](const Command& one) { return one.name == first; }))
    return;
  if (is_one_of({"-v", "-V", "version"}))
    throw std::invalid_argument("\"" + first + "\": the version is told by looptap --version");
  if (first.starts_with("-"))
    throw std::invalid_argument(
        "\"" + first + "\": the command comes first, and its flags behind it: " + names_of(commands));
  std::string line = "unknown command \"" + first + "\": it is " + names_of(commands);
  for (const Declared& one : all)
    if (one.flags.trailing_command()) line += "; a program is started by " + synopsis_of(*one.command);
  throw std::invalid_argument(line);
}

/// The refusal of a word that the command does not know.
std::string superfluous(const Declared& declared, const std::vector<Declared>& all) {
  const std::string word = declared.app->remaining()[0];
  const std::string& command = declared.command->name;
  if (!word.starts_with("-")) {
    const std::string what = command + " takes no argument \"" + word + "\"";
    return declared.flags.trailing_command()
               ? what + " (the command comes after --: " + synopsis_of(*declared.command) + ")"
               : what;
  }
  const std::string flag = word.substr(0, word.find('='));
  const auto other = std::find_if(all.begin(), all.end(),
                                  [&](const Declared& one) { return one.app->get_option_no_throw(flag); });
  const std::string what = command + " has no flag " + flag;
  return other == all.end() ? what : what + ", but this has: looptap " + other->command->name + " " + word;
}

}  // namespace

void FlagSet::add(const std::string& name, std::string& value, const std::string& type,
                  const std::string& help) {
  app_.add_option(name, value, help)->type_name(type)->capture_default_str();
}

void FlagSet::add_required(const std::string& name, std::string& value, const std::string& type,
                           const std::string& help) {
  app_.add_option(name, value, help)->type_name(type)->required();
}

void FlagSet::add(const std::string& name, std::optional<std::string>& value, const std::string& type,
                  const std::string& help) {
  app_.add_option_function<std::string>(
          name, [&value](const std::string& given) { value = given; }, help)
      ->type_name(type);
}

void FlagSet::add(const std::string& name, std::vector<std::string>& values, const std::string& type,
                  const std::string& help) {
  app_.add_option(name, values, help)->type_name(type)->expected(1)->take_all();
}

void FlagSet::add_words(const std::string& name, std::vector<std::string>& values, const std::string& type,
                        const std::string& help) {
  app_.add_option(name, values, help)->type_name(type)->expected(1, kMostWords)->take_all();
}

void FlagSet::add(const std::string& name, bool& set, const std::string& help) {
  app_.add_flag(name, set, help);
}

void FlagSet::add_argument(const std::string& name, std::string& value, const std::string& help) {
  app_.add_option(name, value, help)->required();
}

Request parse_command_line(const std::vector<Command>& commands, int argc, char** argv) {
  CLI::App app("Event-loop latency of unmodified programs, for Prometheus.", "looptap");
  app.set_version_flag("--version",
                       std::string("looptap ") + build_version() + " (" + build_revision() + ")");
  app.require_subcommand(1);
  std::string footer;
  for (const Command& command : commands) footer += "  " + synopsis_of(command) + "\n";
  app.footer(footer + "looptap SUBCOMMAND --help lists the flags.");
  std::vector<Declared> all;
  all.reserve(commands.size());
  for (const Command& command : commands) all.push_back(declare(command, app));

  // What stands after "--" is another program's: CLI11 does not see it.
  char** const end = argv + argc;
  char** const dashes =
      std::find_if(argv + std::min(argc, 1), end, [](const char* word) { return std::string(word) == "--"; });
  std::vector<std::string> words(argv + std::min(argc, 1), dashes);
  if (!words.empty() && words[0] == "help") {  // looptap help run
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (argc <= 1) return {app.help(), kNothingDone, {}};
  refuse_unless_command(words, commands, all);

  const auto chosen = [&] {
    return std::find_if(all.begin(), all.end(), [](const Declared& one) { return one.app->parsed(); });
  };
  try {
    app.parse(reversed(words));
  } catch (const CLI::CallForHelp&) {
    return {chosen() == all.end() ? app.help() : chosen()->app->help("looptap"), 0, {}};
  } catch (const CLI::CallForVersion& version) {
    return {std::string(version.what()) + "\n", 0, {}};
  } catch (const CLI::ExtrasError&) {
    throw std::invalid_argument(superfluous(*chosen(), all));  // refuse_unless_command() has seen the rest
  } catch (const CLI::Error& error) {
    throw std::invalid_argument(first_line(error.what()));
  }

  const Declared& declared = *chosen();
  std::vector<std::string>* const trailing = declared.flags.trailing_command();
  if (trailing && dashes + 1 >= end)
    throw std::invalid_argument("no command to run: " + synopsis_of(*declared.command));
  if (trailing)
    trailing->assign(dashes + 1, end);
  else if (dashes != end)
    throw std::invalid_argument(declared.command->name + " takes no command");
  return {"", 0, declared.run};
}

}  // namespace looptap
