// SPDX-License-Identifier: Apache-2.0
#include "apps/prompt.h"

#include <fmt/format.h>

#include "apps/text.h"

namespace cairn::apps {

Result<PromptMaker> PromptMaker::Create(const model::Model& model, const std::string& file) {
  if (!file.empty()) return PromptMaker(model, OR_RETURN(ReadTextFile(file)));
  if (model.chat_template()) return PromptMaker(model, *model.chat_template());
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{} has no chat template: it continues texts and was not made for "
                          "conversations; `cairn run` continues a text, --chat-template FILE gives "
                          "it a template",
                          model.path()));
}

// ChatML by hand, until the interpreter of templates is here.
Result<std::vector<std::int32_t>> PromptMaker::Encode(const std::vector<Message>& messages) const {
  if (!source_.contains("<|im_start|>")) {
    return Fail(ErrorCode::kUnsupported, "this chat template cannot be run yet");
  }
  std::vector<model::TextPart> parts;
  std::vector<std::string> heads;
  heads.reserve(messages.size());
  if (messages.empty() || messages[0].role != "system") {
    parts.push_back(
        {"<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
         "Hugging Face<|im_end|>\n",
         true});
  }
  for (const Message& message : messages) {
    heads.push_back(fmt::format("<|im_start|>{}\n", message.role));
    parts.push_back({heads.back(), true});
    parts.push_back({message.content, false});
    parts.push_back({"<|im_end|>\n", true});
  }
  parts.push_back({"<|im_start|>assistant\n", true});
  return model_->tokenizer().Encode(parts, false);
}

}  // namespace cairn::apps
