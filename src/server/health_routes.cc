// SPDX-License-Identifier: Apache-2.0
// Whether the server lives and is ready, and what it has done so far (docs/server.md).
#include <fmt/format.h>

#include "engine/machine.h"
#include "server/api.h"

namespace cairn::server {
namespace {

void Live(const CallRef& call) { call->Json(200, boost::json::object{{"status", "ok"}}); }

void IsReady(const CallRef& call) {
  if (call->api.draining()) return call->Fail(503, "the server is shutting down");
  if (!call->api.models.ready()) return call->Fail(503, "the model is being loaded; try again");
  Live(call);
}

// A metric with a line for each loaded model.
template <typename Value>
void PerModel(const Api& api, std::string_view name, std::string_view help, std::string_view kind,
              const Value& value, std::string& out) {
  out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, kind);
  for (const auto& model : api.models.Loaded()) {
    std::string label;
    for (const char c : model->id) {
      if (c == '"' || c == '\\') label += '\\';
      label += c == '\n' ? ' ' : c;
    }
    out += fmt::format("{}{{model=\"{}\"}} {}\n", name, label, value(model->engine->reading()));
  }
}

void WriteEngines(const Api& api, std::string& out) {
  using Reading = EngineReading;
  const auto add = [&](std::string_view name, std::string_view help, std::string_view kind,
                       const auto& value) { PerModel(api, name, help, kind, value, out); };
  add("cairn_requests_running", "Answers that are being made", "gauge",
      [](const Reading& r) { return r.scheduler.running; });
  add("cairn_requests_waiting", "Answers that wait for a place", "gauge",
      [](const Reading& r) { return r.scheduler.waiting; });
  add("cairn_steps_total", "Steps of the engine", "counter",
      [](const Reading& r) { return r.scheduler.steps; });
  add("cairn_prompt_rows_total", "Rows of prompts that were computed", "counter",
      [](const Reading& r) { return r.scheduler.prompt_rows; });
  add("cairn_answer_rows_total", "Rows of answers that were computed", "counter",
      [](const Reading& r) { return r.scheduler.answer_rows; });
  add("cairn_reused_rows_total", "Rows of prompts that were found in the cache", "counter",
      [](const Reading& r) { return r.scheduler.reused_rows; });
  add("cairn_preempted_total", "Answers that gave way", "counter",
      [](const Reading& r) { return r.scheduler.preempted; });
  add("cairn_proposed_tokens_total", "Tokens that were proposed", "counter",
      [](const Reading& r) { return r.scheduler.proposed; });
  add("cairn_accepted_tokens_total", "Proposed tokens that were right", "counter",
      [](const Reading& r) { return r.scheduler.accepted; });
  add("cairn_kv_budget_bytes", "Memory that keys and values may take", "gauge",
      [](const Reading& r) { return r.kv.budget; });
  add("cairn_kv_used_bytes", "Memory of keys and values in use, cached ones included", "gauge",
      [](const Reading& r) { return r.kv.used; });
  add("cairn_cache_entries", "Tiles of the prefix cache", "gauge",
      [](const Reading& r) { return r.cache.entries; });
}

void ShowMetrics(const CallRef& call) {
  const Metrics& m = call->api.metrics;
  std::string out;
  out +=
      "# HELP cairn_http_responses_total Requests that ended, by status; 0: the client went\n"
      "# TYPE cairn_http_responses_total counter\n";
  for (const auto& [status, count] : m.responses) {
    out += fmt::format("cairn_http_responses_total{{status=\"{}\"}} {}\n", status, count);
  }
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    WriteMetric(name, help, "counter", static_cast<double>(value), out);
  };
  counter("cairn_prompt_tokens_total", "Tokens of prompts", m.prompt_tokens);
  counter("cairn_cached_tokens_total", "Tokens of prompts that were found in the cache",
          m.cached_tokens);
  counter("cairn_answer_tokens_total", "Tokens of answers", m.answer_tokens);
  counter("cairn_clients_gone_total", "Clients that went before their answer ended", m.cancelled);
  m.first_token.Write("cairn_first_token_seconds", "From a request to its first token", out);
  m.per_token.Write("cairn_per_token_seconds", "Between two tokens, a mean of each answer", out);
  m.request.Write("cairn_request_seconds", "From a request's headers to the end of its answer",
                  out);
  WriteEngines(call->api, out);
  const engine::ProcessMemory memory = engine::MemoryOfProcess();
  WriteMetric("process_resident_memory_bytes", "Memory of this process", "gauge",
              static_cast<double>(memory.resident_bytes), out);
  call->exchange->Respond({.type = "text/plain; version=0.0.4; charset=utf-8", .body = out});
}

}  // namespace

std::vector<Route> HealthRoutes() {
  return {{"GET", "/health", IsReady, true},
          {"GET", "/health/live", Live, true},
          {"GET", "/health/ready", IsReady, true},
          {"GET", "/metrics", ShowMetrics}};
}

}  // namespace cairn::server
