// SPDX-License-Identifier: Apache-2.0
// Layout of every help page: aligned columns, wrapped text, defaults where there are any. On a
// narrow terminal descriptions stand below the names. Threads: used while parsing, on the main
// thread.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace cairn::apps {

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(int columns);
  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;
  // `left` in the first column, `right` wrapped in the second.
  std::string Row(const std::string& left, const std::string& right) const;

 private:
  std::size_t columns_;
  std::size_t left_;  // columns before the descriptions
};

// The page of the command that was asked for, without double empty lines.
std::string HelpText(const CLI::App& app);

}  // namespace cairn::apps
