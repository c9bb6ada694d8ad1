#include "exporter/cli/command_parser.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <stdexcept>

#include "exporter/base/build_info.h"

namespace looptap {

namespace {

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
std::vector<std::string> reversed_words(char** begin, char** end) {
  std::vector<std::string> words;
  for (char** at = begin; at < end; at++) {
    std::string word = *at;
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
  if (declared.flags.trailing_command()) sub->footer("The command comes after --:  " + synopsis_of(command));
  return declared;
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
  const auto ours = static_cast<int>(dashes - argv);

  if (ours > 1 && argv[1][0] != '-' &&
      std::none_of(commands.begin(), commands.end(),
                   [&](const Command& command) { return command.name == argv[1]; }))
    throw std::invalid_argument("unknown command \"" + std::string(argv[1]) + "\": it is " +
                                names_of(commands));

  const auto chosen = [&] {
    return std::find_if(all.begin(), all.end(), [](const Declared& one) { return one.app->parsed(); });
  };
  try {
    app.parse(reversed_words(argv + 1, argv + ours));
  } catch (const CLI::CallForHelp&) {
    return {(chosen() == all.end() ? app : *chosen()->app).help(), {}};
  } catch (const CLI::CallForVersion& version) {
    return {std::string(version.what()) + "\n", {}};
  } catch (const CLI::Error& error) {
    std::string what = first_line(error.what());
    if (chosen() != all.end() && chosen()->flags.trailing_command() &&
        dynamic_cast<const CLI::ExtrasError*>(&error))
      what += " (the command comes after --: " + synopsis_of(*chosen()->command) + ")";
    throw std::invalid_argument(what);
  }

  const Declared& declared = *chosen();
  std::vector<std::string>* const words = declared.flags.trailing_command();
  if (words && dashes + 1 >= end)
    throw std::invalid_argument("no command to run: " + synopsis_of(*declared.command));
  if (words)
    words->assign(dashes + 1, end);
  else if (dashes != end)
    throw std::invalid_argument(declared.command->name + " takes no command");
  return {"", declared.run};
}

}  // namespace looptap
