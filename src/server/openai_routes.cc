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

void Complete(const CallRef& call, Endpoint endpoint) {
  const auto body = call->Body();
  if (!body) return;
  auto read = ReadOpenAiRequest(endpoint, *body);
  if (!read) return call->Fail(read.error());
  const auto request = std::make_shared<OpenAiRequest>(*std::move(read));
  Question question{.model = request->model,
                    .prompt = TakePrompt(*request),
                    .options = request->options,
                    .choices = request->choices,
                    .tenant = request->tenant,
                    .use_cache = request->use_cache};
  Ask(call, std::move(question),
      [call, request](const Asked& asked) { return MakeOpenAiListener(call, *request, asked); });
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

json::object EmbedderObject(const EmbedderSource& source) {
  return {{"id", source.id}, {"object", "model"}, {"created", 0}, {"owned_by", "cairn"}};
}

void ListModels(const CallRef& call) {
  json::array list;
  for (const ModelSource& source : call->api.models.sources()) {
    if (call->MayUse(source.id)) list.push_back(ModelObject(call->api, source));
  }
  for (const EmbedderSource& source : call->api.embedders.sources()) {
    if (call->MayUse(source.id)) list.push_back(EmbedderObject(source));
  }
  call->Json(200, json::object{{"object", "list"}, {"data", std::move(list)}});
}

void ShowModel(const CallRef& call) {
  for (const ModelSource& source : call->api.models.sources()) {
    if (source.id == call->rest && call->MayUse(source.id))
      return call->Json(200, ModelObject(call->api, source));
  }
  for (const EmbedderSource& source : call->api.embedders.sources()) {
    if (source.id == call->rest && call->MayUse(source.id))
      return call->Json(200, EmbedderObject(source));
  }
  call->Fail(
      {.status = 404,
       .message = "there is no model of that name; there are: " + call->api.models.ListOfNames(),
       .param = "model",
       .code = "model_not_found"});
}

}  // namespace

std::vector<Route> OpenAiRoutes() {
  return {{"POST", "/v1/chat/completions", Chat},
          {"POST", "/v1/completions", Completions},
          {"GET", "/v1/models", ListModels},
          {"GET", "/v1/models/*", ShowModel}};
}

}  // namespace cairn::server
