// SPDX-License-Identifier: Apache-2.0
// OpenAI's routes for completions and models (docs/server.md).
#include <boost/json/array.hpp>
#include <utility>

#include "server/api.h"
#include "server/json_members.h"
#include "server/openai_request.h"
#include "server/openai_stream.h"
#include "server/question.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

Question QuestionOf(OpenAiRequest request) {
  Question question{.model = std::move(request.model),
                    .options = std::move(request.options),
                    .form = std::move(request.form),
                    .choices = request.choices,
                    .tenant = std::move(request.tenant),
                    .use_cache = request.use_cache};
  if (request.endpoint == Endpoint::kChat) {
    question.prompt = Conversation{.messages = std::move(request.messages),
                                   .tools = std::move(request.tools),
                                   .variables = std::move(request.template_variables)};
  } else if (auto* text = std::get_if<std::string>(&request.prompt)) {
    question.prompt = std::move(*text);
  } else {
    question.prompt = std::get<std::vector<std::int32_t>>(std::move(request.prompt));
  }
  return question;
}

void Complete(const CallRef& call, Endpoint endpoint) {
  const auto body = call->Body();
  if (!body) return;
  auto request = ReadOpenAiRequest(endpoint, *body);
  if (!request) return call->Fail(request.error());
  const OpenAiStyle style{.endpoint = endpoint,
                          .stream = request->stream,
                          .usage = request->stream_usage,
                          .choices = request->choices};
  Ask(call, QuestionOf(*std::move(request)),
      [call, style](const auto& model) { return MakeOpenAiListener(call, style, model->id); });
}

void Chat(const CallRef& call) { Complete(call, Endpoint::kChat); }
void Completions(const CallRef& call) { Complete(call, Endpoint::kCompletions); }

json::object ModelObject(const Api& api, const ModelSource& source) {
  json::object object{
      {"id", source.id}, {"object", "model"}, {"created", 0}, {"owned_by", "cairn"}};
  for (const auto& model : api.models.Loaded()) {
    if (model->id != source.id) continue;
    object["created"] = model->loaded_s;
    object["context_length"] = model->engine->context();
  }
  return object;
}

void ListModels(const CallRef& call) {
  json::array list;
  for (const ModelSource& source : call->api.models.sources()) {
    list.push_back(ModelObject(call->api, source));
  }
  call->Json(200, json::object{{"object", "list"}, {"data", std::move(list)}});
}

void ShowModel(const CallRef& call) {
  for (const ModelSource& source : call->api.models.sources()) {
    if (source.id == call->rest) return call->Json(200, ModelObject(call->api, source));
  }
  call->Fail(404, "there is no model of that name; there are: " + call->api.models.ListOfNames());
}

}  // namespace

std::vector<Route> OpenAiRoutes() {
  return {{"POST", "/v1/chat/completions", Chat},
          {"POST", "/v1/completions", Completions},
          {"GET", "/v1/models", ListModels},
          {"GET", "/v1/models/*", ShowModel}};
}

}  // namespace cairn::server
