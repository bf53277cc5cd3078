// SPDX-License-Identifier: Apache-2.0
// Tools of a chat: what a request says of them, and what its answer must be then
// (docs/tools.md).
// Threads: pure functions and plain values. Test: tool_use_test.cc.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/tool_calls.h"
#include "server/openai_form.h"

namespace cairn::server {

enum class ToolChoice {
  kAuto,      // the model may call
  kNone,      // it does not see the tools
  kRequired,  // it must call
};

struct ToolUse {
  // Null, or an array that is not empty, as OpenAI's bodies have it; names differ and every
  // function has parameters.
  boost::json::value tools;
  ToolChoice choice = ToolChoice::kAuto;
  std::vector<std::string> callable;  // only these; empty: all
  bool parallel = true;               // several calls in one answer
  // The model sees them.
  bool shown() const { return tools.is_array() && choice != ToolChoice::kNone; }
};

// tools, tool_choice and parallel_tool_calls of a body. Errors: kInvalidArgument, kUnsupported,
// kLimit.
[[nodiscard]] Result<ToolUse> ReadToolUse(const boost::json::object& body);

// The form of answers with these tools, which are shown. `content`: what the body says an answer
// must be otherwise. Errors: kUnsupported where both cannot be kept together.
[[nodiscard]] Result<RequiredForm> FormOfTools(const ToolUse& use,
                                               const grammar::ToolFormat& format,
                                               const std::optional<grammar::ThoughtMarks>& thoughts,
                                               const std::optional<RequiredForm>& content);

// The form of answers that begin inside thoughts, which come before the content. Errors:
// kUnsupported for a content that is no JSON.
[[nodiscard]] Result<RequiredForm> FormAfterThoughts(const RequiredForm& content,
                                                     const grammar::ThoughtMarks& thoughts);

}  // namespace cairn::server
