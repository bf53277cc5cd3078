// SPDX-License-Identifier: Apache-2.0
#include "model/prompt.h"

#include <utility>

namespace cairn::model {

std::string TokenText(const Vocabulary& vocabulary, std::optional<std::int32_t> token) {
  return token ? std::string(vocabulary.tokens[static_cast<std::size_t>(*token)]) : "";
}

Result<std::vector<std::int32_t>> EncodeText(const Model& model, std::string_view text) {
  auto tokens = OR_RETURN(model.tokenizer().Encode(text, true));
  if (!tokens.empty()) return tokens;
  return Fail(ErrorCode::kInvalidArgument,
              "the prompt is empty and this model has no token to begin a text with; give a prompt "
              "that is not empty");
}

Result<std::vector<std::int32_t>> EncodeRendered(const Model& model,
                                                 const RenderedPrompt& rendered) {
  std::vector<TextPart> parts;
  parts.reserve(rendered.parts.size());
  for (const auto& part : rendered.parts) parts.push_back({part.text, part.from_template});
  // The template writes the begin token itself where it wants one.
  auto tokens = OR_RETURN(model.tokenizer().Encode(parts, false));
  if (!tokens.empty()) return tokens;
  return Fail(ErrorCode::kInvalidArgument,
              "the chat template makes an empty prompt of the conversation; check the template");
}

Result<ChatPrompt> ChatPrompt::Create(const Model& model, std::string_view source, LocalClock now) {
  ChatTemplate parsed = OR_RETURN(ChatTemplate::Parse(source));
  return ChatPrompt(model, std::string(source), std::move(parsed), std::move(now));
}

Result<RenderedPrompt> ChatPrompt::Render(const boost::json::value& messages,
                                          const boost::json::value* tools,
                                          const boost::json::object& extra) const {
  const Vocabulary& vocabulary = model_->tokenizer().vocabulary();
  return template_.Render({.messages = messages,
                           .tools = tools,
                           .add_generation_prompt = true,
                           .bos_token = TokenText(vocabulary, vocabulary.bos),
                           .eos_token = TokenText(vocabulary, vocabulary.eos),
                           .extra = extra,
                           .now = now_});
}

Result<std::vector<std::int32_t>> ChatPrompt::Encode(const boost::json::value& messages,
                                                     const boost::json::value* tools,
                                                     const boost::json::object& extra) const {
  return EncodeRendered(*model_, OR_RETURN(Render(messages, tools, extra)));
}

}  // namespace cairn::model
