// SPDX-License-Identifier: Apache-2.0
// From texts and conversations to the tokens that a model reads.
// Threads: const members and functions from any thread.
// Owns: a ChatPrompt its template; the model must outlive it.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/chat_template.h"
#include "model/model.h"

namespace cairn::model {

using LocalClock = std::function<std::chrono::local_seconds()>;

// The text of a model's begin or end token, empty where it has none.
std::string TokenText(const Vocabulary& vocabulary, std::optional<std::int32_t> token);

// A text that is continued, with what the model wants before it. Errors: kInvalidArgument where
// that is no token at all; kLimit.
[[nodiscard]] Result<std::vector<std::int32_t>> EncodeText(const Model& model,
                                                           std::string_view text);

// The tokens of a conversation's text. Errors: kInvalidArgument where there are none; kLimit.
[[nodiscard]] Result<std::vector<std::int32_t>> EncodeRendered(const Model& model,
                                                               const RenderedPrompt& rendered);

// Renders conversations with a chat template. Special tokens written inside a message are text.
class ChatPrompt {
 public:
  // `source`: the template; `now` for those that write the date. Errors: kInvalidArgument for a
  // template that does not parse; kLimit.
  [[nodiscard]] static Result<ChatPrompt> Create(const Model& model, std::string_view source,
                                                 LocalClock now);

  // The tokens of the conversation, ready for the model's answer. `messages`: an array of objects
  // with "role" and "content", and whatever else the template reads; `tools` null: none.
  // Errors: what the template refuses (kInvalidArgument), kLimit.
  [[nodiscard]] Result<std::vector<std::int32_t>> Encode(
      const boost::json::value& messages, const boost::json::value* tools = nullptr,
      const boost::json::object& extra = {}) const;
  // The text of them. `extra`: further variables of the template. Errors: as Encode.
  [[nodiscard]] Result<RenderedPrompt> Render(const boost::json::value& messages,
                                              const boost::json::value* tools = nullptr,
                                              const boost::json::object& extra = {}) const;
  // The template's text.
  const std::string& source() const { return source_; }

 private:
  ChatPrompt(const Model& model, std::string source, ChatTemplate chat_template, LocalClock now)
      : model_(&model),
        source_(std::move(source)),
        template_(std::move(chat_template)),
        now_(std::move(now)) {}

  const Model* model_;
  std::string source_;
  ChatTemplate template_;
  LocalClock now_;
};

}  // namespace cairn::model
