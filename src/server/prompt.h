// SPDX-License-Identifier: Apache-2.0
// What the model reads, as a dialect has read it: its tokens, and what its answer must be.
// Threads: pure functions and plain values.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "grammar/answer_form.h"
#include "model/prompt.h"
#include "server/answer_reader.h"
#include "server/openai_form.h"
#include "server/tool_prompt.h"
#include "server/tool_use.h"

namespace cairn::server {

// As chat templates read it: see OpenAiRequest.
struct Conversation {
  boost::json::value messages;
  ToolUse tools;
  boost::json::object variables;
  std::string begun;  // of the answer, which goes on from there
};

// A text in which special tokens are what they are, for clients that write templates themselves.
struct MarkedText {
  std::string text;
};
// A marked text or tokens; many of them make one prompt.
struct PromptPart {
  std::string text;
  std::vector<std::int32_t> tokens;
};
// A text with a hole to be filled in.
struct Hole {
  std::string before, behind;
};

// A text is continued, special tokens in it are text; tokens are checked by the engine.
using Prompt = std::variant<Conversation, std::string, MarkedText, std::vector<PromptPart>, Hole,
                            std::vector<std::int32_t>>;

// What a model makes of conversations.
struct ChatFace {
  Result<model::ChatPrompt> chat;  // an Error is the answer to all chat requests
  ToolTemplate tools;
  std::optional<ReasoningMarks> reasoning;
  // Names model, arithmetic and template: equal ones answer the same question with the same bytes.
  std::string fingerprint;
};
// The engine's model must outlive the result. Cost: reads 4 KiB of each tensor.
ChatFace MakeChatFace(const engine::Engine& engine, Result<model::ChatPrompt> chat);

// The text of a conversation. Errors: what the template refuses; kLimit.
[[nodiscard]] Result<model::RenderedPrompt> RenderConversation(const ChatFace& face,
                                                               const Conversation& conversation);

struct PromptTokens {
  std::vector<std::int32_t> tokens;
  AnswerParts parts;  // of the answers to it
};

// Errors: what the template or the vocabulary refuses; kLimit with both numbers where the context
// does not hold it. Takes as long as the prompt.
[[nodiscard]] Result<PromptTokens> EncodePrompt(const engine::Engine& engine, const ChatFace& face,
                                                const Prompt& prompt);

// Of a prompt whose text (a conversation's: that of its last message) will go on: the tokens that
// do not depend on how, as far as two ways of going on show it. Errors: EncodePrompt's;
// kUnsupported for other prompts than texts and conversations.
[[nodiscard]] Result<PromptTokens> EncodeBeginning(const engine::Engine& engine,
                                                   const ChatFace& face, const Prompt& prompt);

// Adds to the text of a prompt, as above. Errors: kUnsupported, for other prompts.
[[nodiscard]] Result<void> AppendToPrompt(Prompt& prompt, std::string_view text);

// What answers to the prompt must be: of the form that the body asks for, calls of its tools, or
// both. Null: any text will do. `parts` as EncodePrompt gave them; `stop`: texts that end answers.
// Errors name the member; kInvalidArgument also for a form that a stop would cut.
[[nodiscard]] Result<std::shared_ptr<const grammar::Grammar>> GrammarOf(
    const Prompt& prompt, const AnswerParts& parts, const std::optional<RequiredForm>& form,
    const std::vector<std::string>& stop, grammar::CompiledForms& forms);

}  // namespace cairn::server
