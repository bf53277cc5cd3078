// SPDX-License-Identifier: Apache-2.0
// Texts to tokens and back, and conversations to the text that a model reads, as other local
// servers have it (docs/server.md).
#include <boost/json/array.hpp>
#include <utility>

#include "model/utf8.h"
#include "server/api.h"
#include "server/json_members.h"
#include "server/openai_messages.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

// `work` gets the body, an object, and the model that it names.
void AnswerWith(const CallRef& call,
                Result<json::value> (*work)(const json::object& body, const ServedModel& model)) {
  auto body = call->Body();
  if (!body) return;
  if (!body->is_object()) return call->Fail(400, "the body must be an object");
  std::string name;
  const auto read = Members(body->get_object(), "").Read("model", kMostNameBytes, name);
  if (!read) return call->Fail(read.error());
  WithModel(call, name, [call, body = *std::move(body), work](const auto& model) {
    auto result = work(body.get_object(), *model);
    if (!result) return call->Fail(result.error());
    call->Json(200, *result);
  });
}

Result<json::value> TokensOf(const json::object& body, const ServedModel& model) {
  const Members members(body, "");
  std::string text;
  bool add_special = false, parse_special = true;
  if (members.Find("content") == nullptr && members.Find("prompt") == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, "content", "is missing");
  }
  OR_RETURN(members.Read("prompt", kMostBodyBytes, text));
  OR_RETURN(members.Read("content", kMostBodyBytes, text));
  OR_RETURN(members.Read("add_special", add_special));
  OR_RETURN(members.Read("parse_special", parse_special));
  const auto tokens =
      OR_RETURN(model.engine->model().tokenizer().Encode(text, add_special, parse_special));
  json::array list(tokens.begin(), tokens.end());
  const std::size_t count = list.size();
  return json::object{{"tokens", std::move(list)}, {"count", count}};
}

Result<json::value> TextOf(const json::object& body, const ServedModel& model) {
  const Members members(body, "");
  const json::value* given = members.Find("tokens");
  if (given == nullptr) return FailAt(ErrorCode::kInvalidArgument, "tokens", "is missing");
  if (!given->is_array()) return members.Wrong("tokens", "an array of ids", *given);
  const model::Tokenizer& tokenizer = model.engine->model().tokenizer();
  std::vector<std::int32_t> ids;
  for (const json::value& value : given->get_array()) {
    const auto id = WholeOf(value);
    if (!id || *id < 0 || *id >= tokenizer.size()) {
      return FailAt(ErrorCode::kInvalidArgument, "tokens", "must be ids of this model's tokens");
    }
    ids.push_back(static_cast<std::int32_t>(*id));
  }
  std::string text;  // JSON has no place for half a character
  model::AppendWellFormed(tokenizer.Decode(ids, true), text);
  return json::object{{"content", text}};
}

Result<json::value> PromptText(const json::object& body, const ServedModel& model) {
  const auto& chat = model.face.chat;
  if (!chat) return std::unexpected(chat.error());
  const json::value messages = OR_RETURN(ReadMessages(body));
  const json::value tools = OR_RETURN(ReadTools(body));
  const auto variables = OR_RETURN(ReadTemplateVariables(body));
  const auto rendered =
      OR_RETURN(chat->Render(messages, tools.is_null() ? nullptr : &tools, variables));
  return json::object{{"prompt", rendered.Text()}};
}

void Tokenize(const CallRef& call) { AnswerWith(call, TokensOf); }
void Detokenize(const CallRef& call) { AnswerWith(call, TextOf); }
void ApplyTemplate(const CallRef& call) { AnswerWith(call, PromptText); }

}  // namespace

std::vector<Route> TokenRoutes() {
  return {{"POST", "/tokenize", Tokenize},
          {"POST", "/detokenize", Detokenize},
          {"POST", "/apply-template", ApplyTemplate}};
}

}  // namespace cairn::server
