// SPDX-License-Identifier: Apache-2.0
// What the files of routes are made of. A dialect is a file with a function that returns its
// routes, named in routes.cc.
//
// A handler runs on the event loop and must not block there: what takes long (templates, tokens of
// a long text) goes through Api::Prepare. It holds its Call as long as it needs it; once all let go
// of it without an answer, the client gets a 500.
// Threads: as said at each member.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/answer_form.h"
#include "http/exchange.h"
#include "server/allowances.h"
#include "server/embedders.h"
#include "server/metrics.h"
#include "server/models.h"
#include "server/options.h"
#include "server/response_store.h"

namespace cairn::server {

// A refusal in the form of a dialect.
struct ApiError {
  int status = 500;
  std::string message;
  std::string param = {};    // the member that is wrong, where it is one
  std::string code = {};     // a name for programs, where there is one
  std::int64_t retry_s = 1;  // 429 and 503: when to try again
};
ApiError ApiErrorOf(const Error& error);
using ErrorForm = http::Response (*)(const ApiError& error);

// {"error": {"message", "type", "param", "code"}}, as OpenAI's.
http::Response OpenAiError(const ApiError& error);
// {"error": "MESSAGE"}, as Ollama's.
http::Response OllamaError(const ApiError& error);
// The HTTP status that fits an Error.
int StatusOf(const Error& error);

class Batches;
class FileStore;

// What handlers reach. Lives as long as the server.
struct Api {
  boost::asio::io_context& loop;
  EngineLoop& engines;
  Models& models;
  Embedders& embedders;
  Metrics& metrics;
  const ServerOptions& options;
  const std::function<bool()> draining;
  Allowances allowances = {};                        // the event loop's
  FileStore* files = nullptr;                        // null: the server keeps none
  Batches* batches = nullptr;                        // the event loop's; null: the same
  ResponseStore responses{options.responses_bytes};  // the event loop's
  grammar::CompiledForms forms{};
  boost::asio::thread_pool preparing{1};

  // Runs `work` at once, or on a thread of its own where `bytes` of input make it long.
  void Prepare(std::size_t bytes, std::function<void()> work);
};

// One request of a route.
struct Call {
  Api& api;
  std::shared_ptr<http::Exchange> exchange;
  std::string id;      // of the request, for logs and clients
  std::string tenant;  // the key's name; empty: there are no keys
  std::shared_ptr<const KeyHolder> holder = std::make_shared<const KeyHolder>();  // of the key
  std::string rest = {};       // what stands in the path for the route's '*'
  std::size_t more_bytes = 0;  // of what the server keeps and the body only names
  ErrorForm error_form = OpenAiError;

  // Whether the key may use that model.
  bool MayUse(std::string_view model) const;
  void FailNoModel();  // says so where it may not
  const http::Request& request() const { return exchange->request(); }
  // The body as JSON; what is wrong with it is answered, and the result is absent.
  std::optional<boost::json::value> Body();
  void Json(int status, const boost::json::value& value);
  void Fail(const Error& error);
  void Fail(int status, std::string message) { Fail(ApiError{status, std::move(message)}); }
  void Fail(ApiError error);
};
using CallRef = std::shared_ptr<Call>;

// `work` with the model of that name (empty: the first), once it is loaded, where Api::Prepare runs
// what the request's body makes long. What is wrong with the model is answered.
void WithModel(const CallRef& call, const std::string& name,
               std::function<void(const std::shared_ptr<const ServedModel>& model)> work);

struct Route {
  std::string_view method;  // "GET" (HEAD comes with it), "POST"
  std::string_view path;    // with a '*' for anything that is not empty; the first that fits counts
  void (*handle)(const CallRef& call);
  bool open = false;  // needs no key
  ErrorForm error_form = OpenAiError;
  bool pieces = false;  // takes its body in pieces (http::Handler::TakesPieces)
};

// All routes; routes.cc.
std::vector<Route> AllRoutes();
std::vector<Route> OpenAiRoutes();          // openai_routes.cc
std::vector<Route> ResponsesRoutes();       // responses_routes.cc
std::vector<Route> StoredResponseRoutes();  // stored_response_routes.cc
std::vector<Route> AnthropicRoutes();       // anthropic_routes.cc
std::vector<Route> OllamaRoutes();          // ollama_routes.cc
std::vector<Route> LlamaRoutes();           // llama_routes.cc
std::vector<Route> TokenRoutes();           // token_routes.cc
std::vector<Route> EmbeddingRoutes();       // embedding_routes.cc
std::vector<Route> HealthRoutes();          // health_routes.cc
std::vector<Route> StreamRoutes();          // stream_routes.cc
std::vector<Route> BatchRoutes();           // batch_routes.cc
std::vector<Route> MetricsRoutes();         // metrics_routes.cc
std::vector<Route> PageRoutes();            // page_routes.cc

}  // namespace cairn::server
