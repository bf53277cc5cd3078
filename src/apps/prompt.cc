// SPDX-License-Identifier: Apache-2.0
#include "apps/prompt.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <ctime>

#include "apps/text.h"

namespace cairn::apps {

std::chrono::local_seconds LocalTime() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  return std::chrono::local_seconds(std::chrono::seconds(timegm(&parts)));
}

std::string TokenText(const model::Vocabulary& vocabulary, std::optional<std::int32_t> token) {
  return token ? std::string(vocabulary.tokens[static_cast<std::size_t>(*token)]) : "";
}

Result<PromptMaker> PromptMaker::Create(const model::Model& model, const std::string& file) {
  if (file.empty() && !model.chat_template()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} has no chat template: it continues texts and was not made for "
                            "conversations; `cairn run` continues a text, --chat-template FILE "
                            "gives it a template",
                            model.path()));
  }
  const std::string source =
      file.empty() ? *model.chat_template() : OR_RETURN(ReadTemplateFile(file));
  auto parsed = model::ChatTemplate::Parse(source);
  if (!parsed) {
    return std::unexpected(std::move(parsed).error().Within(file.empty() ? model.path() : file));
  }
  return PromptMaker(model, std::move(*parsed));
}

Result<std::vector<std::int32_t>> PromptMaker::Encode(const std::vector<Message>& messages) const {
  boost::json::array values;
  for (const Message& message : messages) {
    values.push_back(boost::json::object{{"role", message.role}, {"content", message.content}});
  }
  const boost::json::value list(std::move(values));
  const model::Vocabulary& vocabulary = model_->tokenizer().vocabulary();
  const auto rendered =
      OR_RETURN(template_.Render({.messages = list,
                                  .add_generation_prompt = true,
                                  .bos_token = TokenText(vocabulary, vocabulary.bos),
                                  .eos_token = TokenText(vocabulary, vocabulary.eos),
                                  .now = LocalTime}));
  std::vector<model::TextPart> parts;
  parts.reserve(rendered.parts.size());
  for (const auto& part : rendered.parts) parts.push_back({part.text, part.from_template});
  // The template writes the begin token itself where it wants one.
  auto tokens = OR_RETURN(model_->tokenizer().Encode(parts, false));
  if (!tokens.empty()) return tokens;
  return Fail(ErrorCode::kInvalidArgument,
              "the chat template makes an empty prompt of the conversation; check the template");
}

}  // namespace cairn::apps
