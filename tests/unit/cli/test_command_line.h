// Command lines for tests, and what comes of them.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "exporter/cli/command_parser.h"
#include "tests/unit/catch.h"

inline looptap::Request parse(const std::vector<looptap::Command>& commands, std::vector<std::string> words) {
  words.insert(words.begin(), "looptap");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return looptap::parse_command_line(commands, static_cast<int>(argv.size()), argv.data());
}

/// What a command gets to see of its flags.
template <typename Flags>
auto options_of(const std::string& name, std::vector<std::string> words) {
  decltype(std::declval<const Flags&>().check()) seen{};
  words.insert(words.begin(), name);
  const auto request = parse({looptap::command<Flags>(name, "", "",
                                                      [&](const auto& options) {
                                                        seen = options;
                                                        return 0;
                                                      })},
                             std::move(words));
  request.run();
  return seen;
}

/// The one line with which it fails.
template <typename Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    const std::string line = error.what();
    CHECK(line.find('\n') == std::string::npos);
    CHECK_FALSE(line.empty());
    return line;
  }
  FAIL("accepted");
  return "";
}
