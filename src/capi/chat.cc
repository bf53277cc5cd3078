// SPDX-License-Identifier: Apache-2.0
// Conversations (cairn.h).
#include <boost/json/object.hpp>

#include "base/clock.h"
#include "capi/handles.h"

namespace cairn::capi {

void Conversation::Add(std::string_view role, std::string_view content) {
  messages.push_back(boost::json::object{{"role", role}, {"content", content}});
}

namespace {

Result<std::vector<std::int32_t>> TokensOf(const Conversation& conversation,
                                           std::string_view question) {
  boost::json::array messages = conversation.messages;
  if (!question.empty()) {
    messages.push_back(boost::json::object{{"role", "user"}, {"content", question}});
  }
  return conversation.prompt.Encode(boost::json::value(std::move(messages)));
}

Result<std::unique_ptr<cairn_chat>> Open(std::shared_ptr<SharedEngine> engine, const char* system,
                                         const char* chat_template) {
  const model::Model& model = engine->model();
  if (chat_template == nullptr && !model.chat_template()) {
    return Fail(ErrorCode::kUnsupported,
                model.path() +
                    " has no chat template: it continues texts and was not made for conversations");
  }
  auto prompt = OR_RETURN(model::ChatPrompt::Create(
      model, chat_template != nullptr ? std::string_view(chat_template) : *model.chat_template(),
      LocalTime));
  auto chat = std::make_unique<cairn_chat>(
      std::make_shared<Conversation>(std::move(engine), std::move(prompt)));
  if (system != nullptr && *system != '\0') {
    chat->conversation->Add("system", system);
    chat->conversation->kept = 1;
  }
  return chat;
}

Result<std::unique_ptr<cairn_request>> Submit(const cairn_chat& chat, const char* question,
                                              const cairn_generate_options* options) {
  if (*question == '\0') return Fail(ErrorCode::kInvalidArgument, "the question is empty");
  auto prompt = OR_RETURN(TokensOf(*chat.conversation, question));
  if (options != nullptr && options->size >= sizeof(*options) && options->choices != 1) {
    return Fail(ErrorCode::kInvalidArgument, "a conversation has one choice");
  }
  auto request = OR_RETURN(SubmitPrompt(chat.conversation->engine, std::move(prompt), options));
  request->conversation = chat.conversation;
  request->question = question;
  return request;
}

}  // namespace
}  // namespace cairn::capi

using namespace cairn;        // NOLINT(google-build-using-namespace): definitions of cairn.h
using namespace cairn::capi;  // NOLINT(google-build-using-namespace)

cairn_status cairn_chat_open(cairn_engine* engine, const char* system, const char* chat_template,
                             cairn_chat** chat, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(engine, "engine"));
    OR_RETURN(NeedPointer(chat, "place for the chat"));
    *chat = OR_RETURN(Open(engine->shared, system, chat_template)).release();
    return {};
  });
}

void cairn_chat_free(cairn_chat* chat) { delete chat; }

cairn_status cairn_chat_add(cairn_chat* chat, const char* role, const char* content,
                            cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(chat, "chat"));
    OR_RETURN(NeedPointer(role, "role"));
    OR_RETURN(NeedPointer(content, "content"));
    chat->conversation->Add(role, content);
    return {};
  });
}

cairn_status cairn_chat_clear(cairn_chat* chat, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(chat, "chat"));
    chat->conversation->messages.resize(chat->conversation->kept);
    return {};
  });
}

cairn_status cairn_chat_tokens(cairn_chat* chat, int32_t* tokens, size_t capacity, size_t* count,
                               cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(chat, "chat"));
    return CopyOut(OR_RETURN(TokensOf(*chat->conversation, "")), tokens, capacity, count);
  });
}

cairn_status cairn_chat_ask(cairn_chat* chat, const char* question,
                            const cairn_generate_options* options, cairn_sink sink, void* user,
                            cairn_answer** answer, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(chat, "chat"));
    OR_RETURN(NeedPointer(question, "question"));
    auto request = OR_RETURN(Submit(*chat, question, options));
    return ReadAll(*request, sink, user, answer);
  });
}

cairn_status cairn_chat_submit(cairn_chat* chat, const char* question,
                               const cairn_generate_options* options, cairn_request** request,
                               cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(chat, "chat"));
    OR_RETURN(NeedPointer(question, "question"));
    OR_RETURN(NeedPointer(request, "place for the request"));
    *request = OR_RETURN(Submit(*chat, question, options)).release();
    return {};
  });
}
