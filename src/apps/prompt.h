// SPDX-License-Identifier: Apache-2.0
// From the messages of a command line to the tokens that a model reads.
// Threads: const members from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/model.h"
#include "model/prompt.h"

namespace cairn::apps {

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// The chat prompts of a model. `file`: a template in place of the model's own; empty: the model's.
// Errors: kUnsupported where the model has none, with the way out; kNotFound, kIo for the file;
// kInvalidArgument for a template that does not parse. The model must outlive the result.
[[nodiscard]] Result<model::ChatPrompt> OpenChatPrompt(const model::Model& model,
                                                       const std::string& file);

// Messages of a role and a text each.
class PromptMaker {
 public:
  // As OpenChatPrompt.
  [[nodiscard]] static Result<PromptMaker> Create(const model::Model& model,
                                                  const std::string& file);

  // The tokens of the conversation, ready for the model's answer. Errors: what the template
  // refuses.
  [[nodiscard]] Result<std::vector<std::int32_t>> Encode(
      const std::vector<Message>& messages) const;

 private:
  explicit PromptMaker(model::ChatPrompt prompt) : prompt_(std::move(prompt)) {}

  model::ChatPrompt prompt_;
};

}  // namespace cairn::apps
