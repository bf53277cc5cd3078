// SPDX-License-Identifier: Apache-2.0
// OpenAI's route for embeddings, and reranking as Jina's, Cohere's and llama-server's
// (docs/server.md).
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <numeric>
#include <utility>

#include "engine/rerank.h"
#include "server/api.h"
#include "server/embedders.h"
#include "server/embedding_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

// What both routes share: a client that may go, a deadline, one answer.
class RouteJob : public EmbedJob {
 public:
  explicit RouteJob(CallRef call)
      : call_(std::move(call)),
        deadline_(std::chrono::steady_clock::now() + call_->api.options.request) {}

  bool Gone() const override { return gone_.load(std::memory_order_relaxed); }
  void SetGone() { gone_.store(true, std::memory_order_relaxed); }

  Result<std::vector<engine::EmbedInput>> Inputs(const engine::Embedder& embedder) override {
    if (std::chrono::steady_clock::now() > deadline_) {
      return cairn::Fail(ErrorCode::kCancelled, "the request waited too long");
    }
    auto inputs = OR_RETURN(Read(embedder));
    for (const engine::EmbedInput& input : inputs) {
      tokens_ += static_cast<std::int64_t>(input.tokens.size());
    }
    return inputs;
  }
  void Done(const Result<void>& result) override {
    if (std::exchange(done_, true)) return;
    if (!result) return call_->Fail(result.error());
    boost::asio::post(call_->api.loop, [call = call_, tokens = tokens_] {
      call->api.metrics.embedded_tokens += static_cast<std::uint64_t>(tokens);
    });
    Answer();
  }

 protected:
  virtual Result<std::vector<engine::EmbedInput>> Read(const engine::Embedder& embedder) = 0;
  virtual void Answer() = 0;

  Call& call() { return *call_; }
  std::int64_t tokens() const { return tokens_; }

 private:
  const CallRef call_;
  const std::chrono::steady_clock::time_point deadline_;
  std::atomic<bool> gone_{false};
  bool done_ = false;
  std::int64_t tokens_ = 0;
};

void Submit(const CallRef& call, std::string_view model, std::shared_ptr<RouteJob> job) {
  if (!call->MayUse(model)) return call->FailNoModel();
  call->exchange->OnGone([job = std::weak_ptr(job)] {
    if (const auto still = job.lock()) still->SetGone();
  });
  const auto submitted = call->api.embedders.Submit(model, std::move(job));
  if (!submitted) call->Fail(submitted.error());
}

std::string Base64Of(std::span<const float> values) {
  std::string text((values.size_bytes() + 2) / 3 * 4 + 1, '\0');  // it ends with a zero
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(values.data()),
                                     static_cast<int>(values.size_bytes()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

json::object UsageOf(std::int64_t tokens) {
  return {{"prompt_tokens", tokens}, {"total_tokens", tokens}};
}

// --- /v1/embeddings -------------------------------------------------------------------------

enum class EmbeddingForm { kOpenAi, kOllama };

class Embeddings final : public RouteJob {
 public:
  Embeddings(CallRef call, EmbeddingRequest request, EmbeddingForm form)
      : RouteJob(std::move(call)),
        request_(std::move(request)),
        form_(form),
        values_(request_.inputs.size()) {}

  void Row(const engine::Embedder& embedder, int input, std::span<const float> values) override {
    const auto width =
        request_.dimensions > 0 ? static_cast<std::size_t>(request_.dimensions) : values.size();
    std::vector<float> row(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(width));
    embedder.Normalise(row);
    values_[static_cast<std::size_t>(input)] =
        request_.base64 ? '"' + Base64Of(row) + '"' : fmt::format("[{}]", fmt::join(row, ","));
  }

 private:
  Result<std::vector<engine::EmbedInput>> Read(const engine::Embedder& embedder) override {
    if (embedder.scores()) {
      return cairn::Fail(ErrorCode::kUnsupported,
                         "this model scores pairs of texts: /rerank is for it");
    }
    if (!embedder.model().program().pools()) {
      return cairn::Fail(ErrorCode::kUnsupported, "this model makes no single embedding of a text");
    }
    if (request_.dimensions > embedder.width()) {
      return cairn::Fail(ErrorCode::kInvalidArgument,
                         fmt::format("dimensions must be at most {}, got {}", embedder.width(),
                                     request_.dimensions));
    }
    std::vector<engine::EmbedInput> inputs;
    for (std::size_t i = 0; i < request_.inputs.size(); ++i) {
      auto input = ReadOne(embedder, i);
      if (!input) {
        return std::unexpected(std::move(input).error().Within(fmt::format("input[{}]", i)));
      }
      inputs.push_back(*std::move(input));
    }
    return inputs;
  }
  Result<engine::EmbedInput> ReadOne(const engine::Embedder& embedder, std::size_t i) const {
    if (const auto* text = std::get_if<std::string>(&request_.inputs[i])) {
      return embedder.Encode(*text, request_.truncate);
    }
    engine::EmbedInput input{.tokens = std::get<std::vector<std::int32_t>>(request_.inputs[i])};
    OR_RETURN(embedder.Check(input));
    return input;
  }
  void AnswerOllama() {
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - began_;
    call().exchange->Respond(
        {.status = 200,
         .headers = {{"x-request-id", call().id}},
         .body = fmt::format(R"({{"model":{},"embeddings":[{}],"total_duration":{},)"
                             R"("load_duration":0,"prompt_eval_count":{}}})",
                             json::serialize(json::string(request_.model)), fmt::join(values_, ","),
                             took.count(), tokens())});
  }
  void Answer() override {
    if (form_ == EmbeddingForm::kOllama) return AnswerOllama();
    std::string body = R"({"object":"list","data":[)";
    for (std::size_t i = 0; i < values_.size(); ++i) {
      body += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":{}}})",
                          i == 0 ? "" : ",", i, values_[i]);
    }
    body +=
        fmt::format(R"(],"model":{},"usage":{}}})", json::serialize(json::string(request_.model)),
                    json::serialize(UsageOf(tokens())));
    call().exchange->Respond(
        {.status = 200, .headers = {{"x-request-id", call().id}}, .body = std::move(body)});
  }

  const EmbeddingRequest request_;
  const EmbeddingForm form_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::vector<std::string> values_;  // by input, as JSON
};

void EmbedFor(const CallRef& call, const json::value& body, EmbeddingForm form) {
  auto request = ReadEmbeddingRequest(body);
  if (!request) return call->Fail(request.error());
  if (request->model.empty() && !call->api.embedders.sources().empty()) {
    request->model = call->api.embedders.sources()[0].id;
  }
  const std::string model = request->model;
  Submit(call, model, std::make_shared<Embeddings>(call, *std::move(request), form));
}

void Embed(const CallRef& call) {
  const auto body = call->Body();
  if (body) EmbedFor(call, *body, EmbeddingForm::kOpenAi);
}

// Ollama cuts texts that are too long unless it is told not to, and its names have tags.
void EmbedForOllama(const CallRef& call) {
  auto body = call->Body();
  if (!body) return;
  if (auto* object = body->if_object()) {
    object->emplace("truncate", true);
    auto* model = object->if_contains("model");
    if (model != nullptr && model->is_string() && model->get_string().ends_with(":latest")) {
      const auto& name = model->get_string();
      *model = json::string(name.subview(0, name.size() - std::string_view(":latest").size()));
    }
  }
  EmbedFor(call, *body, EmbeddingForm::kOllama);
}

// --- /rerank --------------------------------------------------------------------------------

class Ranks final : public RouteJob {
 public:
  Ranks(CallRef call, RerankRequest request)
      : RouteJob(std::move(call)), request_(std::move(request)) {}

  void Row(const engine::Embedder& embedder, int input, std::span<const float> values) override {
    ranking_.Take(embedder, input, values);
  }

 private:
  Result<std::vector<engine::EmbedInput>> Read(const engine::Embedder& embedder) override {
    const std::vector<std::string_view> documents(request_.documents.begin(),
                                                  request_.documents.end());
    return engine::RankInputs(embedder, request_.query, documents, request_.truncate);
  }
  void Answer() override {
    const std::vector<double> scores = ranking_.Scores();
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return scores[i]; });
    if (request_.top > 0) {
      order.resize(std::min(order.size(), static_cast<std::size_t>(request_.top)));
    }
    json::array results;
    for (const std::size_t i : order) {
      json::object result{{"index", i}, {"relevance_score", scores[i]}};
      if (request_.with_documents) {
        result["document"] = json::object{{"text", request_.documents[i]}};
      }
      results.push_back(std::move(result));
    }
    call().Json(200, json::object{{"object", "list"},
                                  {"model", request_.model},
                                  {"results", std::move(results)},
                                  {"usage", UsageOf(tokens())}});
  }

  const RerankRequest request_;
  engine::Ranking ranking_;
};

void Rank(const CallRef& call) {
  const auto body = call->Body();
  if (!body) return;
  auto request = ReadRerankRequest(*body);
  if (!request) return call->Fail(request.error());
  if (request->model.empty() && !call->api.embedders.sources().empty()) {
    request->model = call->api.embedders.sources()[0].id;
  }
  const std::string model = request->model;
  Submit(call, model, std::make_shared<Ranks>(call, *std::move(request)));
}

}  // namespace

std::vector<Route> EmbeddingRoutes() {
  return {
      {"POST", "/v1/embeddings", Embed}, {"POST", "/api/embed", EmbedForOllama, false, OllamaError},
      {"POST", "/rerank", Rank},         {"POST", "/v1/rerank", Rank},
      {"POST", "/reranking", Rank},      {"POST", "/v1/reranking", Rank}};
}

}  // namespace cairn::server
