// SPDX-License-Identifier: Apache-2.0
// The bodies of Anthropic's Messages API.
//
// Its messages and tools are brought into the form of OpenAI's, which templates read: blocks of
// text become lines, tool_use a call, tool_result a message of a tool. A message of the assistant
// at the end is the beginning of the answer. Unknown members are ignored, wrong ones are errors.
// Threads: pure functions.
// Test: dialect_requests_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "server/question.h"

namespace cairn::server {

struct AnthropicRequest {
  Question question;
  bool stream = false;
};

// `counting`: only the prompt is wanted, and max_tokens need not be there. Errors:
// kInvalidArgument, kUnsupported, kLimit.
[[nodiscard]] Result<AnthropicRequest> ReadAnthropicRequest(const boost::json::value& body,
                                                            bool counting);

}  // namespace cairn::server
