// SPDX-License-Identifier: Apache-2.0
// The bodies of OpenAI's Responses API, as far as a server that keeps nothing goes: `input` is the
// whole conversation; previous_response_id and conversation are errors.
// Threads: pure functions.
// Test: dialect_requests_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "server/question.h"

namespace cairn::server {

struct ResponsesRequest {
  Question question;
  bool stream = false;
  // What a response says again of its request: instructions, tools, ...
  boost::json::object echo;
};

// Errors: kInvalidArgument, kUnsupported, kLimit.
[[nodiscard]] Result<ResponsesRequest> ReadResponsesRequest(const boost::json::value& body);

}  // namespace cairn::server
