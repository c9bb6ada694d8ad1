// The command line: which command it names, and the values of that command's flags. A command is one line in main's
// table of commands; its flags are a class with two functions:
//
//   void declare(FlagSet& set);      names the flags, each with the member that takes its value
//   Options check() const;           the values as the command wants them
//
// CLI11 is behind command_parser.cc and nowhere else: its header takes longer to compile than all other flags.
//
// Thread-safety: none; the command line is read before there are threads. Errors: std::invalid_argument, whose text is
// one line for the user.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace looptap {

/// Takes the declarations of one command's flags. What it is given by reference has to outlive the parsing, and holds the
/// default until then.
class FlagSet {
 public:
  explicit FlagSet(CLI::App& app) : app_(app) {}

  /// --name VALUE or --name=VALUE. --help shows `type` for the value, and the default unless it is empty.
  void add(const std::string& name, std::string& value, const std::string& type, const std::string& help);
  /// One that has to be given.
  void add_required(const std::string& name, std::string& value, const std::string& type,
                    const std::string& help);
  /// One without a default: an empty value is told from none.
  void add(const std::string& name, std::optional<std::string>& value, const std::string& type,
           const std::string& help);
  /// One that may be repeated.
  void add(const std::string& name, std::vector<std::string>& values, const std::string& type,
           const std::string& help);
  /// One that may be repeated, and takes every word up to the next flag.
  void add_words(const std::string& name, std::vector<std::string>& values, const std::string& type,
                 const std::string& help);
  /// One without a value.
  void add(const std::string& name, bool& set, const std::string& help);
  /// An argument that has to be given, without a name in front of it.
  void add_argument(const std::string& name, std::string& value, const std::string& help);
  /// What stands after "--", which is another program's command line: none of it is read as a flag.
  void add_trailing_command(std::vector<std::string>& words) { trailing_command_ = &words; }

  /// A line at the end of --help.
  void add_note(const std::string& line) { notes_.push_back(line); }

  std::vector<std::string>* trailing_command() const { return trailing_command_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  CLI::App& app_;
  std::vector<std::string>* trailing_command_ = nullptr;
  std::vector<std::string> notes_;
};

/// A line of the table of commands.
struct Command {
  std::string name;
  std::string arguments;  ///< what follows the name, as --help shows it
  std::string about;      ///< what it does, in some ten words
  /// Declares the flags. \return what checks their values when they have been parsed, does the command's work and returns
  /// the exit status.
  std::function<std::function<int()>(FlagSet&)> declare;
};

/// \param run takes what `Flags::check()` returns, and returns the exit status.
template <typename Flags, typename Run>
Command command(std::string name, std::string arguments, std::string about, Run run) {
  return {std::move(name), std::move(arguments), std::move(about), [run](FlagSet& set) {
            const auto flags = std::make_shared<Flags>();
            flags->declare(set);
            return [flags, run] { return run(flags->check()); };
          }};
}

/// What the user wants.
struct Request {
  std::string text;          ///< --help, --version: for stdout, and nothing else is to be done. Else empty
  int status = 0;            ///< after the text: an empty command line gets help and 2, as nothing was done
  std::function<int()> run;  ///< else. Throws std::invalid_argument for a wrong value before it does anything
};

/// \throws std::invalid_argument
Request parse_command_line(const std::vector<Command>& commands, int argc, char** argv);

}  // namespace looptap
