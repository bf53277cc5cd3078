// SPDX-License-Identifier: Apache-2.0
// From messages to the tokens that a model reads.
// Threads: const members from any thread.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/chat_template.h"
#include "model/model.h"

namespace cairn::apps {

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// The local time of this machine, for templates that write the date.
std::chrono::local_seconds LocalTime();

// The text of a model's begin or end token, empty where it has none.
std::string TokenText(const model::Vocabulary& vocabulary, std::optional<std::int32_t> token);

// Renders conversations with a chat template. Special tokens written inside a message are text.
class PromptMaker {
 public:
  // `file`: a template in place of the model's own; empty: the model's. Errors: kUnsupported where
  // the model has none, with the way out; kNotFound, kIo for the file; kInvalidArgument for a
  // template that does not parse. The model must outlive the object.
  [[nodiscard]] static Result<PromptMaker> Create(const model::Model& model,
                                                  const std::string& file);

  // The tokens of the conversation, ready for the model's answer. Errors: what the template
  // refuses.
  [[nodiscard]] Result<std::vector<std::int32_t>> Encode(
      const std::vector<Message>& messages) const;

 private:
  PromptMaker(const model::Model& model, model::ChatTemplate chat_template)
      : model_(&model), template_(std::move(chat_template)) {}

  const model::Model* model_;
  model::ChatTemplate template_;
};

}  // namespace cairn::apps
