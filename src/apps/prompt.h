// SPDX-License-Identifier: Apache-2.0
// From messages to the tokens that a model reads.
// Threads: const members from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/model.h"

namespace cairn::apps {

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// Renders conversations with a chat template. Special tokens written inside a message are text.
class PromptMaker {
 public:
  // `file`: a template in place of the model's own; empty: the model's. Errors: kUnsupported where
  // the model has none, with the way out; kNotFound, kIo for the file; kCorrupt for a template that
  // does not parse. The model must outlive the object.
  [[nodiscard]] static Result<PromptMaker> Create(const model::Model& model,
                                                  const std::string& file);

  // The tokens of the conversation, ready for the model's answer. Errors: what the template
  // refuses.
  [[nodiscard]] Result<std::vector<std::int32_t>> Encode(
      const std::vector<Message>& messages) const;

 private:
  PromptMaker(const model::Model& model, std::string source)
      : model_(&model), source_(std::move(source)) {}

  const model::Model* model_;
  std::string source_;
};

}  // namespace cairn::apps
