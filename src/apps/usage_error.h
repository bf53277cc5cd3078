// SPDX-License-Identifier: Apache-2.0
// One sentence about a command line that makes no sense.
// Threads: pure functions.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::apps {

// The word of `known` that `word` most likely was meant to be; empty where none is near.
std::string Nearest(std::string_view word, const std::vector<std::string>& known);

// The subcommand of that name, or null.
const CLI::App* FindCommand(const CLI::App& app, std::string_view name);

// What is wrong, where, and where help is. `arguments`: the command line without the program.
std::string ExplainUsage(const CLI::App& app, const CLI::ParseError& error,
                         std::span<const std::string> arguments);

}  // namespace cairn::apps
