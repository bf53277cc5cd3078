// SPDX-License-Identifier: Apache-2.0
// Settings of `cairn serve` from elsewhere than the command line.
// Threads: the main thread, before any other.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace CLI {
class App;
}

namespace cairn::apps {

// The words of a command line whose `serve` has --config FILE, with what the TOML file says behind
// them: `port = 8081` is --port 8081, `models = ["a", "b"]` names models. What the command line
// says itself wins; other command lines stay as they are. Errors: kNotFound, kIo, kInvalidArgument,
// for the file; what is wrong with a value is said as for the command line.
[[nodiscard]] Result<std::vector<std::string>> WithSettingsFile(std::vector<std::string> words);

// Lets the environment give options that stand nowhere else: CAIRN_SERVE_MAX_BODY for --max-body.
void ReadEnvironment(CLI::App& command);

}  // namespace cairn::apps
