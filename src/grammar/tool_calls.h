// SPDX-License-Identifier: Apache-2.0
// Answers that call tools: calls alone, or text in which calls may come.
//
// The arguments of a call fit its tool's schema. Where text may come, a marker begins a call and is
// nothing else; behind the last call nothing comes.
// Threads: pure functions. Test: tool_calls_test.cc.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/answer_form.h"
#include "grammar/grammar.h"
#include "grammar/tool_formats.h"

namespace cairn::grammar {

inline constexpr std::uint32_t kMostToolCalls = 32;  // of one answer

struct CallableTool {
  std::string name;
  boost::json::value parameters;  // a schema
  bool strict = false;  // a schema that is not supported is an error; else any object fits it
};

// Thoughts between two marks, which come first and may hold anything but their end.
struct ThoughtMarks {
  std::string begin, end;
  bool begun = false;  // the answer begins inside them; else they may be left out
};

struct ToolCallForm {
  const ToolFormat* format = &GenericToolFormat();
  // Names differ and need no escapes. None: there must be a `content`.
  std::vector<CallableTool> tools;
  bool required = false;  // there must be a call
  bool parallel = true;   // there may be several, where the format has that
  std::optional<boost::json::value> content = {};  // the schema of an answer without a call
  std::optional<ThoughtMarks> thoughts = {};
};

// The form as a text that CompileForm reads.
AnswerForm FormOfToolCalls(const ToolCallForm& form);

// Errors: as CompileJsonSchema, naming the tool; kInvalidArgument for what FormOfToolCalls does not
// write.
[[nodiscard]] Result<std::shared_ptr<const Grammar>> CompileToolCalls(
    const boost::json::value& form);

}  // namespace cairn::grammar
