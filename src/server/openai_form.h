// SPDX-License-Identifier: Apache-2.0
// What a body says that its answer must be: OpenAI's response_format, and the members that other
// servers have for it (docs/structured-output.md lists them).
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "grammar/answer_form.h"
#include "server/json_members.h"

namespace cairn::server {

struct RequiredForm {
  std::string member;  // that asks for it, for messages
  grammar::AnswerForm form;
};

// Absent where any text will do. What the form says is not looked at before it is compiled.
// Errors: kInvalidArgument (also two forms at once), kUnsupported, kLimit.
[[nodiscard]] Result<std::optional<RequiredForm>> ReadForm(const Members& members);

// The grammar of a form; its errors begin with the member.
[[nodiscard]] Result<std::shared_ptr<const grammar::Grammar>> CompileForm(
    const RequiredForm& required, grammar::CompiledForms& forms);

}  // namespace cairn::server
