// SPDX-License-Identifier: Apache-2.0
#include "apps/command.h"

#include <string>
#include <string_view>

namespace cairn::apps {

CLI::App* NewCommand(CLI::App& app, const char* group, const char* name, const char* summary,
                     const char* examples) {
  CLI::App* command = app.add_subcommand(name, summary);
  command->group(group);
  std::string footer = "Examples:\n";
  std::string_view rest = examples;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    footer += "  ";
    footer += line;
    footer += '\n';
  }
  command->footer(footer);
  return command;
}

}  // namespace cairn::apps
