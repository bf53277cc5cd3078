// SPDX-License-Identifier: Apache-2.0
// From what a dialect has read to an answer that is being made.
//
// A dialect fills a Question and gives a listener; what the question leaves open is as in
// `cairn run`. A client that goes cancels its question: the memory is free before the next step.
// Threads: the event loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/answer.h"
#include "server/api.h"
#include "server/engine_loop.h"
#include "server/openai_form.h"
#include "server/prompt.h"

namespace cairn::server {

struct Question {
  std::string model;  // empty: the server's first
  Prompt prompt;
  engine::GenerateOptions options;
  std::optional<RequiredForm> form;  // and the tools of the prompt: become options.grammar
  int choices = 1;
  std::string tenant;  // takes turns with the others of the same key
  bool use_cache = true;
};

// A question whose model and prompt are there.
struct Asked {
  std::shared_ptr<const ServedModel> model;
  std::int64_t prompt_tokens = 0;
  AnswerParts parts;  // of its answers
};
// Makes the listener of a question, on the event loop.
using MakeListener = std::function<std::shared_ptr<AnswerListener>(const Asked& asked)>;

// What is refused before the listener hears of it is answered in the call's form.
void Ask(const CallRef& call, Question question, MakeListener listener);

// The end of it, on the event loop: an encoded prompt, or with `streaming` the beginning of one
// that goes on (EngineLoop::Update). Null: it was refused, and the refusal is answered.
EngineLoop::JobRef Submit(const CallRef& call, const std::shared_ptr<const ServedModel>& model,
                          Question question, PromptTokens prompt, bool streaming,
                          const MakeListener& make);
// What one key's prompts left in the cache is not found with another's.
kv::CacheSpace SpaceOf(std::string_view tenant);
// What a prompt is refused with, beside the Error.
ApiError PromptErrorOf(const Error& error);

}  // namespace cairn::server
