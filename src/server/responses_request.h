// SPDX-License-Identifier: Apache-2.0
// The bodies of OpenAI's Responses API: `input` is the conversation, or what comes behind that of
// previous_response_id. Conversations that the server keeps by a name of their own are errors.
// Threads: pure functions.
// Test: dialect_requests_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <string>

#include "base/error.h"
#include "server/question.h"

namespace cairn::server {

struct ResponsesRequest {
  Question question;
  bool stream = false;
  bool store = true;
  // Of the conversation so far; with `store` those of this request too.
  boost::json::array items;
  // What a response says again of its request: instructions, tools, ...
  boost::json::object echo;
};

// The items that a previous_response_id stands for, those of its output too.
using FindItems = std::function<Result<boost::json::array>(const std::string& id)>;

// Errors: kInvalidArgument, kUnsupported, kLimit, and those of `before`.
[[nodiscard]] Result<ResponsesRequest> ReadResponsesRequest(const boost::json::value& body,
                                                            const FindItems& before);

}  // namespace cairn::server
