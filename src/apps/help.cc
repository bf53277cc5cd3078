// SPDX-License-Identifier: Apache-2.0
#include "apps/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace cairn::apps {
namespace {

constexpr std::size_t kLeft = 29;        // columns before the descriptions
constexpr std::size_t kNarrowLeft = 10;  // on a narrow terminal
constexpr int kNarrow = 60;

}  // namespace

HelpFormatter::HelpFormatter(int columns)
    : columns_(static_cast<std::size_t>(std::clamp(columns, 30, 100))),
      left_(columns < kNarrow ? kNarrowLeft : kLeft) {
  label("OPTIONS", "options");
  label("SUBCOMMAND", "COMMAND");
  label("Positionals", "Arguments");
}

std::string HelpFormatter::Row(const std::string& left, const std::string& right) const {
  std::string out = "  " + left;
  std::size_t column = out.size();
  if (column + 2 > left_) {
    out += '\n';
    column = 0;
  }
  out.append(left_ - column, ' ');
  column = left_;
  std::string_view rest = right;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (column > left_ && column + 1 + word.size() > columns_) {
      out += '\n';
      out.append(left_, ' ');
      column = left_;
    } else if (column > left_) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out + '\n';
}

std::string HelpFormatter::make_group(std::string group, bool is_positional,
                                      std::vector<const CLI::Option*> options) const {
  std::string out = "\n" + group + ":\n";
  for (const CLI::Option* option : options) out += make_option(option, is_positional);
  return out;
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  const std::string type = option->get_type_name();
  return type.empty() ? "" : " " + type;
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  const std::string fallback = option->get_default_str();
  if (fallback.empty()) return option->get_description();
  return fmt::format("{} (default {})", option->get_description(), fallback);
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  // Short and long names as "-t, --threads N"; a long name alone stands under the long ones.
  std::string name = option->get_name(is_positional, true);
  if (!is_positional) {
    if (const std::size_t comma = name.find(','); comma != std::string::npos) {
      name.replace(comma, 1, ", ");
    } else if (name.starts_with("--")) {
      name = "    " + name;
    }
  }
  return Row(name + make_option_opts(option), make_option_desc(option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return Row(command->get_name(), command->get_description());
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  if (app->get_parent() != nullptr) name = app->get_parent()->get_name() + " " + app->get_name();
  std::string out = "Usage: " + (name.empty() ? app->get_name() : name);
  if (app->get_parent() == nullptr) return out + " COMMAND [options]\n";
  for (const CLI::Option* option :
       app->get_options([](const CLI::Option* o) { return o->get_positional(); })) {
    const std::string argument = option->get_name(true);
    out += option->get_required() ? " " + argument : " [" + argument + "]";
    if (option->get_items_expected_max() > 1) out += "...";
  }
  for (const CLI::Option* option : app->get_options(
           [](const CLI::Option* o) { return o->get_required() && !o->get_positional(); })) {
    out += " " + option->get_name(false, true) + make_option_opts(option);
  }
  return out + " [options]\n";
}

std::string HelpText(const CLI::App& app) {
  std::string text = app.help();
  while (true) {
    const std::size_t at = text.find("\n\n\n");
    if (at == std::string::npos) break;
    text.erase(at, 1);
  }
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace cairn::apps
