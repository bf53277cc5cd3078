// SPDX-License-Identifier: Apache-2.0
#include "apps/prompt.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "apps/text.h"
#include "base/clock.h"

namespace cairn::apps {

Result<model::ChatPrompt> OpenChatPrompt(const model::Model& model, const std::string& file) {
  if (file.empty() && !model.chat_template()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} has no chat template: it continues texts and was not made for "
                            "conversations; `cairn run` continues a text, --chat-template FILE "
                            "gives it a template",
                            model.path()));
  }
  const std::string source =
      file.empty() ? *model.chat_template() : OR_RETURN(ReadTemplateFile(file));
  auto made = model::ChatPrompt::Create(model, source, LocalTime);
  if (!made) {
    return std::unexpected(std::move(made).error().Within(file.empty() ? model.path() : file));
  }
  return made;
}

Result<PromptMaker> PromptMaker::Create(const model::Model& model, const std::string& file) {
  return PromptMaker(OR_RETURN(OpenChatPrompt(model, file)));
}

Result<std::vector<std::int32_t>> PromptMaker::Encode(const std::vector<Message>& messages) const {
  boost::json::array values;
  for (const Message& message : messages) {
    values.push_back(boost::json::object{{"role", message.role}, {"content", message.content}});
  }
  return prompt_.Encode(boost::json::value(std::move(values)));
}

}  // namespace cairn::apps
