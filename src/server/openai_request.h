// SPDX-License-Identifier: Apache-2.0
// The bodies of OpenAI's requests for completions, as programs send them to local servers.
//
// What a body does not say is as in `cairn run` (SamplingOptions, seed 0), so that the same
// question has the same answer everywhere; only max_tokens of a plain completion is 16, as the API
// says. Members that no answer depends on here are ignored, unknown ones too, as other servers do;
// those that ask for what does not exist yet (echo, functions, ...) are errors, and so are wrong
// types and values out of range. docs/batch.md lists the members.
//
// Every size is bounded by the body's, which is bounded itself. Threads: pure functions.
// Test: openai_request_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "engine/answer.h"
#include "server/openai_form.h"
#include "server/prompt.h"

namespace cairn::server {

inline constexpr std::size_t kMostBodyBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMostMessages = 16'384;
inline constexpr std::size_t kMostTools = 1'024;
inline constexpr std::size_t kMostNameBytes = 512;  // of a model, a user, a tool
inline constexpr int kMostTopLogprobs = 20;

enum class Endpoint { kChat, kCompletions };

std::string_view PathOf(Endpoint endpoint);  // "/v1/chat/completions", "/v1/completions"
std::optional<Endpoint> EndpointOf(std::string_view path);

struct OpenAiRequest {
  Endpoint endpoint = Endpoint::kChat;
  std::string model;  // as the body names it; empty: it does not
  // Chat: an array of objects as chat templates read them. "content" is a string: the texts of
  // parts stand on lines of their own. "developer" has become "system", and the arguments of calls
  // are objects where their text is one.
  boost::json::value messages;
  ToolUse tools;                           // chat
  boost::json::object template_variables;  // chat: chat_template_kwargs
  // Completions: a text, or tokens, which the engine checks against its vocabulary.
  std::variant<std::string, std::vector<std::int32_t>> prompt;
  std::string suffix;  // completions: what comes behind the answer

  engine::GenerateOptions options;   // without the grammar:
  std::optional<RequiredForm> form;  // what the answer must be, not compiled yet
  int choices = 1;                   // 1 to engine::kMostChoices
  std::string tenant;                // the body's user
  bool use_cache = true;
  bool stream = false;
  bool stream_usage = false;      // stream_options.include_usage
  bool stream_progress = false;   // return_progress
  std::string begun;              // chat: the last message, which the answer continues
  bool separate_thoughts = true;  // chat: reasoning_format other than "none"
};

// What the model reads, taken out of the request.
Prompt TakePrompt(OpenAiRequest& request);

// Errors: kInvalidArgument, kUnsupported; kLimit (a list that is too long).
[[nodiscard]] Result<OpenAiRequest> ReadOpenAiRequest(Endpoint endpoint,
                                                      const boost::json::value& body);

}  // namespace cairn::server
