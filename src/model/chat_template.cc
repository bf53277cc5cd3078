// SPDX-License-Identifier: Apache-2.0
#include "model/chat_template.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "model/jinja_interpreter.h"
#include "model/jinja_parser.h"
#include "model/utf8.h"

namespace cairn::model {

struct ChatTemplate::State {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::string RenderedPrompt::Text() const {
  std::string text;
  for (const Part& part : parts) text += part.text;
  return text;
}

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source) {
  if (source.size() > kMaxTemplateBytes) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the chat template has {} bytes; at most {} are read", source.size(),
                            kMaxTemplateBytes));
  }
  std::string clean;
  AppendWellFormed(source, clean);
  try {
    auto state = std::make_unique<State>();
    state->body = jinja::ParseTemplate(clean);
    return ChatTemplate(std::move(state));
  } catch (const jinja::Failure& failure) {
    return std::unexpected(failure.error);
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kOutOfMemory, "no memory to read the chat template");
  }
}

namespace {

RenderedPrompt ToParts(const jinja::Text& text) {
  RenderedPrompt prompt;
  for (std::size_t i = 0; i < text.size();) {
    const jinja::Origin origin = text.OriginAt(i);
    std::size_t end = i;
    while (end < text.size() && text.OriginAt(end) == origin) ++end;
    prompt.parts.push_back({.text = std::string(text.bytes().substr(i, end - i)),
                            .from_template = origin == jinja::Origin::kTemplate});
    i = end;
  }
  return prompt;
}

}  // namespace

Result<RenderedPrompt> ChatTemplate::Render(const RenderInput& input) const {
  try {
    jinja::Interpreter interpreter(input);
    return ToParts(interpreter.Run(state_->body));
  } catch (const jinja::Failure& failure) {
    return std::unexpected(failure.error);
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kOutOfMemory, "no memory to render the chat template");
  }
}

}  // namespace cairn::model
