// SPDX-License-Identifier: Apache-2.0
// Ollama's routes: answers as JSON lines, and models (docs/server.md).
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/asio/dispatch.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <limits>
#include <utility>

#include "server/api.h"
#include "server/dialect.h"
#include "server/json_members.h"
#include "server/model_facts.h"
#include "server/ollama_request.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

// Of the API that is spoken here, for clients that ask which one that is.
constexpr const char* kApiVersion = "0.9.0";

std::string TimeText(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time - whole).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), micros);
}

std::string Now() { return TimeText(std::chrono::system_clock::now()); }

std::int64_t Nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

class OllamaTeller final : public AnswerTeller {
 public:
  OllamaTeller(CallRef call, const Asked& asked, const OllamaRequest& request, bool chat)
      : AnswerTeller(std::move(call), asked, request.stream, request.separate_thoughts),
        name_(request.model),
        chat_(chat) {}

 private:
  json::object Line(std::string_view content, std::string_view thoughts) const {
    const json::string_view text(content.data(), content.size());
    const json::string_view thought(thoughts.data(), thoughts.size());
    json::object line{{"model", name_}, {"created_at", Now()}};
    if (!chat_) {
      line["response"] = text;
      if (!thoughts.empty()) line["thinking"] = thought;
    } else {
      json::object message{{"role", "assistant"}, {"content", text}};
      if (!thoughts.empty()) message["thinking"] = thought;
      line["message"] = std::move(message);
    }
    line["done"] = false;
    return line;
  }
  json::object LastLine(const ReadAnswer& read, const engine::Answer& answer) const {
    json::object line = Line(read.content, read.reasoning);
    json::array calls;
    for (const ToolCall& call : read.calls) AddCall(call, calls);
    if (!calls.empty()) line.at("message").get_object()["tool_calls"] = std::move(calls);
    const bool length = answer.reason == engine::FinishReason::kLength ||
                        answer.reason == engine::FinishReason::kContext;
    const auto now = std::chrono::steady_clock::now();
    line["done"] = true;
    line["done_reason"] = length ? "length" : "stop";
    line["total_duration"] = std::chrono::nanoseconds(now - began_).count();
    line["load_duration"] = 0;
    line["prompt_eval_count"] = answer.prompt_tokens;
    line["prompt_eval_duration"] = Nanoseconds(answer.prompt_seconds);
    line["eval_count"] = answer.tokens.size();
    line["eval_duration"] = Nanoseconds(answer.answer_seconds);
    return line;
  }

  // A call that was cut has no arguments and is left out.
  static void AddCall(const ToolCall& call, json::array& calls) {
    auto arguments = ArgumentsOf(call);
    if (!arguments) return;
    json::object function{{"name", call.name}, {"arguments", *std::move(arguments)}};
    calls.push_back(json::object{{"function", std::move(function)}});
  }
  // Calls are whole in one line, as the API has it.
  void TellCall() {
    json::array calls;
    AddCall(std::exchange(open_, {}), calls);
    if (calls.empty()) return;
    json::object line = Line("", "");
    line.at("message").get_object()["tool_calls"] = std::move(calls);
    WriteLine(call(), line);
  }

  void Begin() override { BeginLines(call()); }
  void Thought(std::string_view text) override { WriteLine(call(), Line("", text)); }
  void Said(std::string_view text) override { WriteLine(call(), Line(text, "")); }
  void Calls(const std::string& /*id*/, std::string_view tool) override {
    TellCall();
    open_.name = tool;
  }
  void Arguments(std::string_view text) override { open_.arguments += text; }
  void End(const engine::Answer& answer) override {
    TellCall();
    WriteLine(call(), LastLine({}, answer));
  }
  void Broken(const ApiError& error) override { WriteLine(call(), {{"error", error.message}}); }
  void Whole(const ReadAnswer& read, const engine::Answer& answer) override {
    call()->Json(200, LastLine(read, answer));
  }

  std::string name_;
  bool chat_;
  ToolCall open_;  // of a stream: the last call so far
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// A request without a question: the model is loaded, or unloaded where keep_alive is 0.
void AnswerEmpty(const CallRef& call, const OllamaRequest& request, bool chat) {
  const bool unload = request.keep_alive == std::chrono::seconds(0);
  const auto answer = [call, name = request.model, chat, unload] {
    json::object line{{"model", name}, {"created_at", Now()}};
    if (chat) {
      line["message"] = json::object{{"role", "assistant"}, {"content", ""}};
    } else {
      line["response"] = "";
    }
    line["done_reason"] = unload ? "unload" : "load";
    line["done"] = true;
    call->Json(200, line);
  };
  if (!call->api.models.Known(request.model)) {
    return WithModel(call, request.model, [](const auto&) {});  // says which there are
  }
  if (unload) return answer();
  WithModel(call, request.model, [answer](const auto&) { answer(); });
}

void Answer(const CallRef& call, Result<OllamaRequest> (*read)(const json::value&), bool chat) {
  const auto body = call->Body();
  if (!body) return;
  auto got = read(*body);
  if (!got) return call->Fail(got.error());
  const auto request = std::make_shared<OllamaRequest>(*std::move(got));
  if (request->keep_alive && call->MayUse(request->model))
    call->api.models.Keep(request->model, *request->keep_alive);
  if (request->empty) return AnswerEmpty(call, *request, chat);
  Ask(call, std::move(request->question), [call, request, chat](const Asked& asked) {
    return std::make_shared<OllamaTeller>(call, asked, *request, chat);
  });
}

void Chat(const CallRef& call) { Answer(call, ReadOllamaChat, true); }
void Generate(const CallRef& call) { Answer(call, ReadOllamaGenerate, false); }

// Names have a tag there.
std::string Tagged(const std::string& id) {
  return id.find(':') == std::string::npos ? id + ":latest" : id;
}

json::object DetailsOf(const ModelFacts& facts) {
  return {{"parent_model", ""},
          {"format", "gguf"},
          {"family", facts.architecture},
          {"families", json::array{json::string(facts.architecture)}},
          {"parameter_size", facts.parameters_text},
          {"quantization_level", facts.format}};
}

// Looking into files takes milliseconds each: not on the event loop.
void OffTheLoop(const CallRef& call, std::function<void()> work) {
  call->api.Prepare(std::numeric_limits<std::size_t>::max(), std::move(work));
}

void Tags(const CallRef& call) {
  OffTheLoop(call, [call, sources = call->api.models.sources()] {
    json::array list;
    for (const ModelSource& source : sources) {
      if (!call->MayUse(source.id)) continue;
      const auto facts = FactsOf(source.path);
      if (!facts) continue;  // it has gone, or cannot be read
      list.push_back({{"name", Tagged(source.id)},
                      {"model", Tagged(source.id)},
                      {"modified_at", TimeText(facts->modified)},
                      {"size", facts->bytes},
                      {"digest", facts->digest},
                      {"details", DetailsOf(*facts)}});
    }
    call->Json(200, json::object{{"models", std::move(list)}});
  });
}

// The model's name of a body, under either name.
std::optional<std::string> NameOf(const CallRef& call) {
  const auto body = call->Body();
  if (!body) return std::nullopt;
  std::string name;
  if (const auto* object = body->if_object()) {
    const Members members(*object, "");
    for (const char* key : {"name", "model"}) {
      const auto read = members.Read(key, kMostNameBytes, name);
      if (read) continue;
      call->Fail(read.error());
      return std::nullopt;
    }
  }
  if (!name.empty()) return name;
  call->Fail(ApiError{.status = 400, .message = "model is missing", .param = "model"});
  return std::nullopt;
}

json::array CapabilitiesOf(const ModelFacts& facts) {
  json::array list{"completion"};
  if (!facts.chat_template.empty()) list.push_back("tools");  // at least in the generic form
  if (ReasoningMarksOf(facts.chat_template)) list.push_back("thinking");
  return list;
}

void Show(const CallRef& call) {
  const auto name = NameOf(call);
  if (!name) return;
  const ModelSource* source = call->api.models.Find(*name);
  if (source == nullptr || !call->MayUse(*name))
    return call->Fail(404, fmt::format("model '{}' not found", *name));
  OffTheLoop(call, [call, source = *source] {
    const auto facts = FactsOf(source.path);
    if (!facts) return call->Fail(facts.error());
    json::object info{{"general.architecture", facts->architecture},
                      {"general.parameter_count", facts->parameters},
                      {facts->architecture + ".context_length", facts->context}};
    call->Json(200, json::object{{"modelfile", ""},
                                 {"parameters", ""},
                                 {"template", facts->chat_template},
                                 {"modified_at", TimeText(facts->modified)},
                                 {"details", DetailsOf(*facts)},
                                 {"model_info", std::move(info)},
                                 {"capabilities", CapabilitiesOf(*facts)}});
  });
}

void Running(const CallRef& call) {
  json::array list;
  for (const auto& model : call->api.models.Loaded()) {
    if (!call->MayUse(model->id)) continue;
    const model::Model& loaded = model->engine->model();
    const auto used = model->engine->reading().kv.used;
    const auto until = call->api.models.UnloadsAt(model->id);
    json::object entry{
        {"name", Tagged(model->id)},
        {"model", Tagged(model->id)},
        {"size", loaded.file_bytes() + used},
        {"size_vram", 0},
        {"context_length", model->engine->context()},
        {"details", json::object{{"format", "gguf"}, {"family", loaded.architecture()}}}};
    if (until) entry["expires_at"] = TimeText(*until);
    list.push_back(std::move(entry));
  }
  call->Json(200, json::object{{"models", std::move(list)}});
}

void Version(const CallRef& call) { call->Json(200, json::object{{"version", kApiVersion}}); }

// What is served is there already; others are pulled where the server was told that it may.
void Pull(const CallRef& call) {
  const auto name = NameOf(call);
  if (!name) return;
  if (call->api.models.Find(*name) != nullptr) {
    return call->Json(200, json::object{{"status", "success"}});
  }
  call->Fail(404, fmt::format("'{}' is not served here; models are the server's own matter: "
                              "`cairn pull {}` and `cairn serve {}`",
                              *name, *name, *name));
}

}  // namespace

http::Response OllamaError(const ApiError& error) {
  return {.status = error.status, .body = json::serialize(json::object{{"error", error.message}})};
}

std::vector<Route> OllamaRoutes() {
  const auto route = [](const char* method, const char* path, void (*handle)(const CallRef&)) {
    return Route{.method = method, .path = path, .handle = handle, .error_form = OllamaError};
  };
  return {route("POST", "/api/chat", Chat), route("POST", "/api/generate", Generate),
          route("GET", "/api/tags", Tags),  route("POST", "/api/show", Show),
          route("GET", "/api/ps", Running), route("GET", "/api/version", Version),
          route("POST", "/api/pull", Pull)};
}

}  // namespace cairn::server
