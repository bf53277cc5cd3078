// SPDX-License-Identifier: Apache-2.0
// The options that say what an answer must be: --schema, --grammar, --regex, --choices.
// Threads: parsing runs on the main thread; ReadForm is pure but for the file.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/error.h"
#include "grammar/grammar.h"

namespace cairn::apps {

struct FormOptions {
  std::string schema, grammar;  // files
  std::string regex;
  std::string choices;  // separated by commas
  bool any() const {
    return !schema.empty() || !grammar.empty() || !regex.empty() || !choices.empty();
  }
};

// At most one of them can be given.
void AddFormOptions(CLI::App& command, FormOptions& options);

// Null where none is given. Errors: those of the file (kNotFound, kIo) and of the form
// (kInvalidArgument, kUnsupported, kLimit), which name the option or the file.
[[nodiscard]] Result<std::shared_ptr<const grammar::Grammar>> ReadForm(const FormOptions& options);

}  // namespace cairn::apps
