// SPDX-License-Identifier: Apache-2.0
#include "server/prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "kernels/kernels.h"
#include "server/fill_in.h"
#include "server/keys.h"

namespace cairn::server {
namespace {

std::string HexOf(std::string_view bytes, std::size_t digits) {
  const Sha256 hash = Sha256Of(bytes);
  std::string hex;
  for (std::size_t i = 0; 2 * i < digits; ++i) hex += fmt::format("{:02x}", hash[i]);
  return hex;
}

// Names, shapes and the first bytes of all tensors. The whole file would take seconds for a large
// model, and what is trained further changes everywhere.
std::string SampleOf(const model::Model& model) {
  constexpr std::size_t kSample = 4096;
  const model::Gguf& gguf = model.gguf();
  std::string sample = fmt::format("{} {}\n", gguf.file_bytes(), model.architecture());
  for (const model::GgufTensor& tensor : gguf.tensors()) {
    sample += fmt::format("{} {}\n", tensor.name, fmt::join(tensor.shape, " "));
    const auto all = tensor.places == nullptr ? tensor.bytes : tensor.Row(0);
    const auto bytes = all.first(std::min(kSample, all.size()));
    sample.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return sample;
}

Result<PromptTokens> EncodeConversation(const engine::Engine& engine, const ChatFace& face,
                                        const Conversation& conversation) {
  auto rendered = OR_RETURN(RenderConversation(face, conversation));
  PromptTokens prompt;
  prompt.parts.reasoning = face.reasoning;
  // Only the template itself can begin thoughts, not the text of a message.
  prompt.parts.thinking = face.reasoning && conversation.begun.empty() && !rendered.parts.empty() &&
                          rendered.parts.back().from_template &&
                          BeginsThoughts(rendered.parts.back().text, *face.reasoning);
  if (conversation.tools.shown()) prompt.parts.tools = face.tools.format;
  if (!conversation.begun.empty()) rendered.parts.push_back({conversation.begun, false});
  prompt.tokens = OR_RETURN(model::EncodeRendered(engine.model(), rendered));
  return prompt;
}

}  // namespace

ChatFace MakeChatFace(const engine::Engine& engine, Result<model::ChatPrompt> chat) {
  std::optional<ReasoningMarks> reasoning;
  ToolTemplate tools;
  std::string name = "none";
  if (chat) {
    tools = ToolTemplateOf(*chat);
    reasoning = ReasoningMarksOf(chat->source());
    name = HexOf(chat->source(), 8);
  }
  std::string fingerprint =
      fmt::format("fp-{}-a{}{}-{}", HexOf(SampleOf(engine.model()), 16),
                  kernels::kArithmeticVersion, kernels::KvFormatName(engine.kv_format()), name);
  return {.chat = std::move(chat),
          .tools = tools,
          .reasoning = std::move(reasoning),
          .fingerprint = std::move(fingerprint)};
}

namespace {

using Tokens = std::vector<std::int32_t>;

Result<Tokens> TokensOf(const engine::Engine& engine, const std::string& text) {
  return model::EncodeText(engine.model(), text);
}
Result<Tokens> TokensOf(const engine::Engine& engine, const MarkedText& marked) {
  const model::Tokenizer& tokenizer = engine.model().tokenizer();
  auto tokens = OR_RETURN(tokenizer.Encode(marked.text, true, true));
  // A begin token that the text writes itself is not doubled.
  const auto bos = tokenizer.vocabulary().bos;
  if (tokens.size() > 1 && tokens[0] == bos && tokens[1] == bos) tokens.erase(tokens.begin());
  if (!tokens.empty()) return tokens;
  return Fail(ErrorCode::kInvalidArgument, "prompt is empty", "prompt");
}
// What the model wants before a text comes before a first part that is one.
Result<Tokens> TokensOf(const engine::Engine& engine, const std::vector<PromptPart>& parts) {
  Tokens tokens;
  for (const PromptPart& part : parts) {
    if (!part.text.empty()) {
      const bool first = &part == &parts.front();
      const auto some = OR_RETURN(engine.model().tokenizer().Encode(part.text, first, true));
      tokens.insert(tokens.end(), some.begin(), some.end());
    }
    tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
  }
  return tokens;
}
Result<Tokens> TokensOf(const engine::Engine& engine, const Hole& hole) {
  return EncodeFillIn(engine.model().tokenizer(), hole.before, hole.behind);
}
Result<Tokens> TokensOf(const engine::Engine& /*engine*/, const Tokens& tokens) { return tokens; }
// Its tokens depend on the template too: EncodeConversation.
Result<Tokens> TokensOf(const engine::Engine& /*engine*/, const Conversation& /*conversation*/) {
  return Tokens();
}

}  // namespace

Result<model::RenderedPrompt> RenderConversation(const ChatFace& face,
                                                 const Conversation& conversation) {
  if (!face.chat) return std::unexpected(face.chat.error());
  const ToolConversation told = WriteTools(conversation.messages, conversation.tools, face.tools);
  return face.chat->Render(told.messages, told.tools.is_null() ? nullptr : &told.tools,
                           conversation.variables);
}

Result<PromptTokens> EncodePrompt(const engine::Engine& engine, const ChatFace& face,
                                  const Prompt& prompt) {
  PromptTokens encoded;
  const auto* conversation = std::get_if<Conversation>(&prompt);
  if (conversation != nullptr) {
    encoded = OR_RETURN(EncodeConversation(engine, face, *conversation));
  } else {
    encoded.tokens =
        OR_RETURN(std::visit([&](const auto& other) { return TokensOf(engine, other); }, prompt));
  }
  const std::int64_t context = engine.context();
  const auto size = static_cast<std::int64_t>(encoded.tokens.size());
  if (size <= context) return encoded;
  return Fail(
      ErrorCode::kLimit,
      fmt::format("the prompt has {} tokens, the context holds {}: it exceeds the available "
                  "context size",
                  size, context),
      conversation != nullptr ? "messages" : "prompt");
}

Result<void> AppendToPrompt(Prompt& prompt, std::string_view text) {
  if (auto* plain = std::get_if<std::string>(&prompt)) {
    *plain += text;
    return {};
  }
  auto* conversation = std::get_if<Conversation>(&prompt);
  auto* messages = conversation != nullptr ? conversation->messages.if_array() : nullptr;
  auto* last = messages != nullptr && !messages->empty() ? messages->back().if_object() : nullptr;
  auto* content = last != nullptr ? last->if_contains("content") : nullptr;
  if (content != nullptr && content->is_string() && conversation->begun.empty()) {
    content->get_string().append(boost::json::string_view(text.data(), text.size()));
    return {};
  }
  return Fail(ErrorCode::kUnsupported,
              "only a text, or the text of a conversation's last message, can go on");
}

Result<PromptTokens> EncodeBeginning(const engine::Engine& engine, const ChatFace& face,
                                     const Prompt& prompt) {
  PromptTokens first;
  for (const std::string_view way : {"a", "\n"}) {
    Prompt longer = prompt;
    OR_RETURN(AppendToPrompt(longer, way));
    PromptTokens tokens = OR_RETURN(EncodePrompt(engine, face, longer));
    if (first.tokens.empty()) {
      first = std::move(tokens);
      continue;
    }
    const auto same = std::ranges::mismatch(first.tokens, tokens.tokens).in1;
    first.tokens.erase(same, first.tokens.end());
  }
  return first;
}

Result<std::shared_ptr<const grammar::Grammar>> GrammarOf(const Prompt& prompt,
                                                          const AnswerParts& parts,
                                                          const std::optional<RequiredForm>& form,
                                                          const std::vector<std::string>& stop,
                                                          grammar::CompiledForms& forms) {
  if (form && !stop.empty()) {
    return FailAt(ErrorCode::kInvalidArgument, "stop",
                  fmt::format("cannot stand beside {}: what it cuts would not be of that form",
                              form->member));
  }
  std::optional<grammar::ThoughtMarks> thoughts;
  if (parts.reasoning) {
    thoughts = grammar::ThoughtMarks{
        .begin = parts.reasoning->begin, .end = parts.reasoning->end, .begun = parts.thinking};
  }
  const auto* conversation = std::get_if<Conversation>(&prompt);
  if (conversation != nullptr && conversation->tools.shown()) {
    return CompileForm(OR_RETURN(FormOfTools(conversation->tools, *parts.tools, thoughts, form)),
                       forms);
  }
  if (!form) return nullptr;
  if (parts.thinking) return CompileForm(OR_RETURN(FormAfterThoughts(*form, *thoughts)), forms);
  return CompileForm(*form, forms);
}

}  // namespace cairn::server
