// SPDX-License-Identifier: Apache-2.0
#include "apps/usage_error.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn::apps {
namespace {

// Letters to insert, remove, exchange, or swap with their neighbour (optimal string alignment).
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

std::string Shown(std::string_view word) {
  constexpr std::size_t kMostShown = 60;
  std::string text(word.substr(0, kMostShown));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text + (word.size() > kMostShown ? "..." : "");
}

std::string Meant(const std::string& nearest) {
  return nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest);
}

std::vector<std::string> OptionNames(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// An argument that nothing was expected to be: the first one that the message names.
std::string ExplainExtra(const CLI::App& command, std::string_view message,
                         std::span<const std::string> arguments) {
  const std::string extras = std::string(message.substr(message.find(": ") + 1)) + " ";
  const auto extra = std::ranges::find_if(arguments, [&](const std::string& argument) {
    return extras.contains(" " + argument + " ");
  });
  if (extra == arguments.end()) return std::string(message);
  if (extra->starts_with('-') && extra->size() > 1) {
    const std::string name = extra->substr(0, extra->find('='));
    return fmt::format("there is no option {}{}", Shown(name),
                       Meant(Nearest(name, OptionNames(command))));
  }
  return fmt::format("nothing was expected where '{}' stands{}", Shown(*extra),
                     command.get_option_no_throw("PROMPT") != nullptr
                         ? "; a PROMPT of several words stands in quotes"
                         : "");
}

// "--temp: At Most 1 required but received 2", "--temp: 1 required T missing".
std::string ExplainCount(const std::string& message) {
  const std::string name = message.substr(0, message.find(": "));
  if (message.contains("received")) return name + " was given more than once";
  if (message.contains("missing")) return name + " needs a value";
  return message;
}

// "Could not convert: --json = x": only flags are converted by the library.
std::string ExplainValue(const std::string& message) {
  const std::size_t name = message.find("--");
  if (name == std::string::npos) return message;
  return message.substr(name, message.find(' ', name) - name) + " takes no value";
}

std::string ExplainCommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return fmt::format("there is no command '{}'{}; `cairn --help` lists them all", Shown(word),
                     Meant(Nearest(word, names)));
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string nearest;
  constexpr std::size_t kLongest = 40;  // letters of a word worth a guess
  if (word.size() > kLongest) return nearest;
  std::size_t least = std::max<std::size_t>(1, std::min<std::size_t>(3, word.size() / 3)) + 1;
  for (const std::string& name : known) {
    const bool begins = word.size() >= 4 && name.starts_with(word);
    const std::size_t distance = begins ? 1 : Distance(word, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  return nearest;
}

const CLI::App* FindCommand(const CLI::App& app, std::string_view name) {
  const auto found =
      app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

std::string ExplainUsage(const CLI::App& app, const CLI::ParseError& error,
                         std::span<const std::string> arguments) {
  const std::string word = arguments.empty() ? "" : arguments.front();
  const CLI::App* found = FindCommand(app, word);
  if (found == nullptr && !word.starts_with('-')) return ExplainCommand(app, word);
  std::string text = error.what();
  while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  const CLI::App& command = found == nullptr ? app : *found;
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    text = ExplainExtra(command, text, arguments);
  } else if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    text = ExplainCount(text);
  } else if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) {
    text = ExplainValue(text);
  }
  return fmt::format("{}; see `cairn {}--help`", text, found == nullptr ? "" : word + " ");
}

}  // namespace cairn::apps
