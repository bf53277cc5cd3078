// SPDX-License-Identifier: Apache-2.0
// From what a dialect has read to an answer that is being made.
//
// A dialect fills a Question and gives a listener; what the question leaves open is as in
// `cairn run`. A client that goes cancels its question: the memory is free before the next step.
// Threads: the event loop's.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/answer.h"
#include "server/api.h"
#include "server/engine_loop.h"
#include "server/openai_form.h"

namespace cairn::server {

// As chat templates read it: see OpenAiRequest.
struct Conversation {
  boost::json::value messages;
  boost::json::value tools;  // null, or an array
  boost::json::object variables;
};

struct Question {
  std::string model;  // empty: the server's first
  std::variant<Conversation, std::string, std::vector<std::int32_t>> prompt;
  engine::GenerateOptions options;
  std::optional<RequiredForm> form;  // becomes options.grammar
  int choices = 1;
  std::string tenant;  // takes turns with the others of the same key
  bool use_cache = true;
};

// The tokens of a prompt. Errors: what the template or the vocabulary refuses; kLimit with both
// numbers where the context does not hold it. From any thread; takes as long as the prompt.
[[nodiscard]] Result<std::vector<std::int32_t>> PromptOf(const ServedModel& model,
                                                         const Question& question);

// Makes the listener of a question, once its model is there.
using MakeListener =
    std::function<std::shared_ptr<AnswerListener>(const std::shared_ptr<const ServedModel>& model)>;

// What is refused before the listener hears of it is answered in the call's form.
void Ask(const CallRef& call, Question question, MakeListener listener);

}  // namespace cairn::server
