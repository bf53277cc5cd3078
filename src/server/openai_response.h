// SPDX-License-Identifier: Apache-2.0
// The bodies of OpenAI's responses: completions with their usage, and errors.
//
// `choices` depend on the answers alone; `usage` also tells what was found in a cache.
// Threads: pure functions; the time is handed in.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/answer.h"
#include "server/openai_request.h"

namespace cairn::server {

// What a response says beside its answers.
struct ResponseHead {
  std::string id;              // unique; the form of the API is "chatcmpl-..." or "cmpl-..."
  std::int64_t created_s = 0;  // seconds since 1970
  std::string model;           // that answered
  std::string fingerprint;     // ChatFace's; empty: the response has none
};

// How a request wants its answers told.
struct AnswerForm {
  const model::Tokenizer* tokenizer = nullptr;  // for logprobs; null: none are wanted
  AnswerParts parts = {};                       // that have members of their own
};
// Of the API's responses to that request, whose answers have these parts.
AnswerForm FormOf(const OpenAiRequest& request, const engine::Engine& engine, AnswerParts parts);

struct Response {
  int status = 200;  // of HTTP
  boost::json::object body;
};

// All choices of one request, in their order; at least one. The first that failed makes the whole
// response an error.
Response ToResponse(Endpoint endpoint, const ResponseHead& head,
                    std::span<const Result<engine::Answer>> answers, const AnswerForm& form = {});

// "stop", "length", "cancelled"; "tool_calls" where the answer ended by itself and has some.
std::string_view FinishReasonOf(engine::FinishReason reason, bool calls);
// The tokens of a request's answers, none of which has failed.
boost::json::object UsageOf(std::span<const Result<engine::Answer>> answers);

// {"error": {"message", "type", "param", "code"}} with the status that fits the error.
Response ToResponse(const Error& error);

}  // namespace cairn::server
