// SPDX-License-Identifier: Apache-2.0
// What the server has done so far, as Prometheus reads it (docs/server.md).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <type_traits>

#include "engine/machine.h"
#include "server/api.h"

namespace cairn::server {
namespace {

struct Name {
  std::string_view name, help, kind;
};

// Writes metrics of models, a sample for each, under the one label that names it.
class ModelWriter {
 public:
  ModelWriter(const Api& api, std::string_view label, std::string& out)
      : api_(api), label_(label), out_(out) {}

  // `value` of a loaded model's EngineReading.
  template <typename Value>
  void Engines(const Name& name, const Value& value) {
    WriteHead(name.name, name.help, name.kind, out_);
    for (const auto& model : api_.models.Loaded()) {
      Sample(name.name, LabelsOf(model->id), value(model->engine->reading()));
    }
  }
  // `value` of ModelMetrics, also of models that are not loaded any more.
  template <typename Value>
  void Answers(const Name& name, const Value& value) {
    WriteHead(name.name, name.help, name.kind, out_);
    for (const auto& [id, metrics] : api_.metrics.models) {
      Sample(name.name, LabelsOf(id), value(metrics));
    }
  }
  // Answers by how they ended.
  void Reasons(const Name& name, std::string_view reason_label,
               std::string_view (*word)(engine::FinishReason)) {
    WriteHead(name.name, name.help, name.kind, out_);
    for (const auto& [id, metrics] : api_.metrics.models) {
      std::map<std::string_view, std::uint64_t> by_word;  // two reasons may share one
      for (const auto& [reason, count] : metrics.answers) by_word[word(reason)] += count;
      for (const auto& [reason, count] : by_word) {
        Sample(name.name, LabelsOf(id) + fmt::format("{}=\"{}\",", reason_label, reason), count);
      }
    }
  }

 private:
  std::string LabelsOf(std::string_view id) const {
    return fmt::format("{}=\"{}\",", label_, LabelOf(id));
  }
  // Labels end in a comma.
  template <typename Number>
  void Sample(std::string_view name, std::string_view labels, const Number& value) {
    if constexpr (std::is_same_v<Number, Histogram>) {
      value.Write(name, labels, out_);
    } else {
      labels.remove_suffix(1);
      out_ += fmt::format("{}{{{}}} {}\n", name, labels, value);
    }
  }

  const Api& api_;
  std::string_view label_;
  std::string& out_;
};

using Reading = EngineReading;

void WriteEngines(ModelWriter& to) {
  to.Engines({"cairn_requests_running", "Answers that are being made", "gauge"},
             [](const Reading& r) { return r.scheduler.running; });
  to.Engines({"cairn_requests_waiting", "Answers that wait for a place", "gauge"},
             [](const Reading& r) { return r.scheduler.waiting; });
  to.Engines({"cairn_steps_total", "Steps of the engine", "counter"},
             [](const Reading& r) { return r.scheduler.steps; });
  to.Engines({"cairn_step_rows", "Rows of a step: prompts, answers and proposals", "histogram"},
             [](const Reading& r) { return r.step_rows; });
  to.Engines({"cairn_step_seconds_total", "Time in the model's steps", "counter"},
             [](const Reading& r) { return 1e-9 * static_cast<double>(r.scheduler.model_ns); });
  to.Engines({"cairn_prompt_rows_total", "Rows of prompts that were computed", "counter"},
             [](const Reading& r) { return r.scheduler.prompt_rows; });
  to.Engines({"cairn_answer_rows_total", "Rows of answers that were computed", "counter"},
             [](const Reading& r) { return r.scheduler.answer_rows; });
  to.Engines({"cairn_reused_rows_total", "Rows of prompts found in the cache", "counter"},
             [](const Reading& r) { return r.scheduler.reused_rows; });
  to.Engines({"cairn_preempted_total", "Answers that gave way", "counter"},
             [](const Reading& r) { return r.scheduler.preempted; });
  to.Engines({"cairn_proposed_tokens_total", "Tokens that were proposed", "counter"},
             [](const Reading& r) { return r.scheduler.proposed; });
  to.Engines({"cairn_accepted_tokens_total", "Proposed tokens that were right", "counter"},
             [](const Reading& r) { return r.scheduler.accepted; });
  to.Engines({"cairn_kv_budget_bytes", "Memory that keys and values may take", "gauge"},
             [](const Reading& r) { return r.kv.budget; });
  to.Engines({"cairn_kv_used_bytes", "Keys and values in use, cached ones included", "gauge"},
             [](const Reading& r) { return r.kv.used; });
  to.Engines({"cairn_kv_shared_bytes", "Of them, those with more than one holder", "gauge"},
             [](const Reading& r) { return r.kv.shared; });
  to.Engines({"cairn_cache_entries", "Tiles of the prefix cache", "gauge"},
             [](const Reading& r) { return r.cache.entries; });
}

void WriteAnswers(ModelWriter& to) {
  using M = ModelMetrics;
  to.Reasons({"cairn_answers_total", "Answers by how they ended", "counter"}, "reason",
             engine::FinishReasonName);
  to.Answers({"cairn_prompt_tokens_total", "Tokens of prompts", "counter"},
             [](const M& m) { return m.prompt_tokens; });
  to.Answers({"cairn_cached_tokens_total", "Of them, those found in the cache", "counter"},
             [](const M& m) { return m.cached_tokens; });
  to.Answers({"cairn_answer_tokens_total", "Tokens of answers", "counter"},
             [](const M& m) { return m.answer_tokens; });
  to.Answers({"cairn_masks_total", "Masks of answers under a grammar", "counter"},
             [](const M& m) { return m.masks; });
  to.Answers({"cairn_mask_seconds_total", "Time that these masks took", "counter"},
             [](const M& m) { return m.mask_seconds; });
  to.Answers({"cairn_first_token_seconds", "From a request to its first token", "histogram"},
             [](const M& m) { return m.first_token; });
  to.Answers({"cairn_per_token_seconds", "Between two tokens, a mean of each answer", "histogram"},
             [](const M& m) { return m.per_token; });
  to.Answers({"cairn_answer_seconds", "From a request to its last token", "histogram"},
             [](const M& m) { return m.answer; });
}

void WriteServer(const Api& api, std::string& out) {
  const Metrics& m = api.metrics;
  WriteHead("cairn_http_responses_total", "Requests that ended, by status; 0: the client went",
            "counter", out);
  for (const auto& [status, count] : m.responses) {
    out += fmt::format("cairn_http_responses_total{{status=\"{}\"}} {}\n", status, count);
  }
  WriteMetric("cairn_clients_gone_total", "Clients that went before their answer ended", "counter",
              static_cast<double>(m.cancelled), out);
  WriteMetric("cairn_embedded_tokens_total", "Tokens of texts that were embedded or ranked",
              "counter", static_cast<double>(m.embedded_tokens), out);
  WriteMetric("cairn_stored_responses", "Responses that clients may come back to", "gauge",
              static_cast<double>(api.responses.count()), out);
  WriteMetric("cairn_stored_response_bytes", "Memory of these", "gauge",
              static_cast<double>(api.responses.bytes()), out);
  WriteHead("cairn_request_seconds", "From a request's headers to the end of its answer",
            "histogram", out);
  m.request.Write("cairn_request_seconds", "", out);
  WriteMetric("process_resident_memory_bytes", "Memory of this process", "gauge",
              static_cast<double>(engine::MemoryOfProcess().resident_bytes), out);
  WriteMetric("process_cpu_seconds_total", "Processor time of this process", "counter",
              engine::ProcessorSeconds(), out);
}

// OpenAI's words, which vLLM uses too.
std::string_view OpenAiReason(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kEndOfTurn:
    case engine::FinishReason::kStopString: return "stop";
    case engine::FinishReason::kLength:
    case engine::FinishReason::kContext: return "length";
    case engine::FinishReason::kCancelled: return "abort";
  }
  return "stop";
}

// The names under which boards made for vLLM look for the same things.
void WriteAsVllm(const Api& api, std::string& out) {
  using M = ModelMetrics;
  ModelWriter to(api, "model_name", out);
  to.Engines({"vllm:num_requests_running", "Answers that are being made", "gauge"},
             [](const Reading& r) { return r.scheduler.running; });
  to.Engines({"vllm:num_requests_waiting", "Answers that wait for a place", "gauge"},
             [](const Reading& r) { return r.scheduler.waiting; });
  to.Engines({"vllm:kv_cache_usage_perc", "Share of the KV memory in use", "gauge"},
             [](const Reading& r) {
               const auto budget = static_cast<double>(std::max<std::size_t>(r.kv.budget, 1));
               return static_cast<double>(r.kv.used) / budget;
             });
  to.Engines({"vllm:num_preemptions_total", "Answers that gave way", "counter"},
             [](const Reading& r) { return r.scheduler.preempted; });
  to.Engines({"vllm:prefix_cache_queries_total", "Tokens looked for in the cache", "counter"},
             [](const Reading& r) { return r.cache.looked_up_tokens; });
  to.Engines({"vllm:prefix_cache_hits_total", "Of them, those found", "counter"},
             [](const Reading& r) { return r.cache.hit_tokens; });
  to.Engines({"vllm:iteration_tokens_total", "Rows of a step", "histogram"},
             [](const Reading& r) { return r.step_rows; });
  to.Engines({"vllm:spec_decode_num_draft_tokens_total", "Tokens proposed", "counter"},
             [](const Reading& r) { return r.scheduler.proposed; });
  to.Engines({"vllm:spec_decode_num_accepted_tokens_total", "Of them, those right", "counter"},
             [](const Reading& r) { return r.scheduler.accepted; });
  to.Answers({"vllm:prompt_tokens_total", "Tokens of prompts", "counter"},
             [](const M& m) { return m.prompt_tokens; });
  to.Answers({"vllm:generation_tokens_total", "Tokens of answers", "counter"},
             [](const M& m) { return m.answer_tokens; });
  to.Reasons({"vllm:request_success_total", "Answers by how they ended", "counter"},
             "finished_reason", OpenAiReason);
  to.Answers({"vllm:time_to_first_token_seconds", "To the first token", "histogram"},
             [](const M& m) { return m.first_token; });
  to.Answers({"vllm:inter_token_latency_seconds", "Between two tokens, a mean of each answer",
              "histogram"},
             [](const M& m) { return m.per_token; });
  to.Answers({"vllm:e2e_request_latency_seconds", "To the last token", "histogram"},
             [](const M& m) { return m.answer; });
}

void ShowMetrics(const CallRef& call) {
  const std::string names = http::QueryValue(call->request().query, "names");
  std::string out;
  if (names == "vllm") {
    WriteAsVllm(call->api, out);
  } else if (!names.empty()) {
    return call->Fail({.status = 400, .message = "names may be vllm", .param = "names"});
  } else {
    WriteServer(call->api, out);
    ModelWriter to(call->api, "model", out);
    WriteAnswers(to);
    WriteEngines(to);
  }
  call->exchange->Respond({.type = "text/plain; version=0.0.4; charset=utf-8", .body = out});
}

}  // namespace

std::vector<Route> MetricsRoutes() { return {{"GET", "/metrics", ShowMetrics}}; }

}  // namespace cairn::server
