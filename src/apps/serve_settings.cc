// SPDX-License-Identifier: Apache-2.0
#include "apps/serve_settings.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <utility>

#include "apps/text.h"

namespace cairn::apps {
namespace {

constexpr std::string_view kOption = "--config";

// The value of --config, empty where it is not there.
std::string FileOf(const std::vector<std::string>& words) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == kOption && i + 1 < words.size()) return words[i + 1];
    if (word.starts_with(kOption) && word.size() > kOption.size() && word[kOption.size()] == '=') {
      return word.substr(kOption.size() + 1);
    }
  }
  return {};
}

bool Names(const std::vector<std::string>& words, const std::string& option) {
  return std::ranges::any_of(words, [&](const std::string& word) {
    return word == option || word.starts_with(option + "=");
  });
}

}  // namespace

Result<std::vector<std::string>> WithSettingsFile(std::vector<std::string> words) {
  if (words.empty() || words[0] != "serve") return words;
  const std::string path = FileOf(words);
  if (path.empty()) return words;
  std::istringstream text(OR_RETURN(ReadTextFile(path)));
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(text);
  } catch (const CLI::Error& error) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}': {}", path, error.what()));
  }
  const std::vector<std::string> given = words;
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // the borders of a section
    if (!item.parents.empty() || item.name == "config") {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}': {} has no meaning there; settings are NAME = VALUE, each with "
                              "the name of an option",
                              path, item.fullname()));
    }
    if (item.name == "models") {
      words.insert(words.end(), item.inputs.begin(), item.inputs.end());
      continue;
    }
    const std::string option = "--" + item.name;
    if (Names(given, option)) continue;
    for (const std::string& value : item.inputs) {
      if (value == "false") continue;  // a flag that is not wanted
      words.push_back(value == "true" ? option : option + "=" + value);
    }
  }
  return words;
}

void ReadEnvironment(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    if (option->get_lnames().empty() || option->get_lnames()[0] == "help") continue;
    std::string name = "CAIRN_SERVE_";
    for (const char c : option->get_lnames()[0]) {
      name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    option->envname(name);
  }
}

}  // namespace cairn::apps
