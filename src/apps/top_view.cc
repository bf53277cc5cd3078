// SPDX-License-Identifier: Apache-2.0
#include "apps/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "apps/text.h"
#include "base/printable.h"

namespace cairn::apps {
namespace {

constexpr std::size_t kMostName = 60;

std::string Time(const std::optional<double>& seconds) {
  if (!seconds) return "-";
  if (*seconds < 1e-3) return fmt::format("{:.0f} us", 1e6 * *seconds);
  if (*seconds < 1) return fmt::format("{:.0f} ms", 1e3 * *seconds);
  return fmt::format("{:.1f} s", *seconds);
}

double Share(double part, double whole) { return whole > 0 ? part / whole : 0; }

std::string Bar(double share, int cells) {
  const int full = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * cells));
  return '[' + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(cells - full), '.') + ']';
}

// One character for each value, higher for more.
std::string Curve(const std::vector<double>& values, std::size_t width) {
  constexpr std::string_view kHeights = " .:-=+*#";
  const std::size_t first = values.size() > width ? values.size() - width : 0;
  double most = 0;
  for (std::size_t i = first; i < values.size(); ++i) most = std::max(most, values[i]);
  std::string curve;
  for (std::size_t i = first; i < values.size(); ++i) {
    const double height = std::ceil(Share(values[i], most) * (kHeights.size() - 1));
    curve += kHeights[static_cast<std::size_t>(height)];
  }
  return curve;
}

std::string Bytes(double bytes) { return HumanBytes(static_cast<std::uint64_t>(bytes)); }

}  // namespace

TopReading ReadTop(const MetricsText& now, const MetricsText& before, double seconds,
                   const MetricsText& older) {
  const auto rate = [&](std::string_view name) { return now.Gained(before, name) / seconds; };
  TopReading r;
  r.running = now.Value("cairn_requests_running");
  r.waiting = now.Value("cairn_requests_waiting");
  r.requests = rate("cairn_http_responses_total");
  const auto responses_before = before.ByLabel("cairn_http_responses_total", "status");
  for (const auto& [status, count] : now.ByLabel("cairn_http_responses_total", "status")) {
    const auto old = responses_before.find(status);
    if (status < "400") continue;
    r.refused += std::max(0.0, count - (old == responses_before.end() ? 0 : old->second)) / seconds;
  }
  r.gone = rate("cairn_clients_gone_total");
  r.answer_tokens = rate("cairn_answer_rows_total") + rate("cairn_accepted_tokens_total");
  r.prompt_tokens = rate("cairn_prompt_rows_total");
  r.cached_tokens = rate("cairn_reused_rows_total");
  r.steps = rate("cairn_steps_total");
  r.rows_of_step =
      Share(now.Gained(before, "cairn_step_rows_sum"), now.Gained(before, "cairn_step_rows_count"));
  r.busy_share = rate("cairn_step_seconds_total");
  r.proposed = rate("cairn_proposed_tokens_total");
  r.accepted = rate("cairn_accepted_tokens_total");
  r.first_p50 = now.Quantile(older, "cairn_first_token_seconds", 0.5);
  r.first_p99 = now.Quantile(older, "cairn_first_token_seconds", 0.99);
  r.between_p50 = now.Quantile(older, "cairn_per_token_seconds", 0.5);
  r.between_p99 = now.Quantile(older, "cairn_per_token_seconds", 0.99);
  if (const double masks = now.Gained(older, "cairn_masks_total"); masks > 0) {
    r.mask_seconds = now.Gained(older, "cairn_mask_seconds_total") / masks;
  }
  r.kv_used = now.Value("cairn_kv_used_bytes");
  r.kv_shared = now.Value("cairn_kv_shared_bytes");
  r.kv_budget = now.Value("cairn_kv_budget_bytes");
  r.cached_tiles = now.Value("cairn_cache_entries");
  r.memory = now.Value("process_resident_memory_bytes");
  r.cores = rate("process_cpu_seconds_total");
  r.models = now.ByLabel("cairn_requests_running", "model");
  return r;
}

std::string TopScreen(const TopReading& r, const std::vector<double>& history,
                      const std::string& server, int columns) {
  std::vector<std::string> lines;
  const auto add = [&](std::string_view head, const std::string& text) {
    lines.push_back(fmt::format("{:<12}{}", head, text));
  };
  std::string models;
  for (const auto& [name, running] : r.models) {
    models += fmt::format("{}{} ({:.0f})", models.empty() ? "" : ", ", Printable(name, kMostName),
                          running);
  }
  add("server", Printable(server, kMostName));
  add("models", models.empty() ? "none is loaded" : models);
  add("requests", fmt::format("{:.0f} answering, {:.0f} waiting; {:.1f} end a second, {:.1f} "
                              "refused, {:.1f} left",
                              r.running, r.waiting, r.requests, r.refused, r.gone));
  add("tokens/s", fmt::format("{:.0f} of answers, {:.0f} of prompts, {:.0f} from the cache",
                              r.answer_tokens, r.prompt_tokens, r.cached_tokens));
  add("", Curve(history, static_cast<std::size_t>(std::max(columns - 12, 10))));
  add("first token", fmt::format("p50 {}, p99 {}", Time(r.first_p50), Time(r.first_p99)));
  add("per token", fmt::format("p50 {}, p99 {}", Time(r.between_p50), Time(r.between_p99)));
  add("steps", fmt::format("{:.0f} a second of {:.1f} rows, {:.0f} % of the time", r.steps,
                           r.rows_of_step, 100 * r.busy_share));
  add("proposals", fmt::format("{:.0f} a second, {:.0f} % right", r.proposed,
                               100 * Share(r.accepted, r.proposed)));
  if (r.mask_seconds) add("masks", Time(r.mask_seconds) + " each");
  add("KV memory", fmt::format("{} {} of {}, {} shared, {:.0f} tiles cached",
                               Bar(Share(r.kv_used, r.kv_budget), 20), Bytes(r.kv_used),
                               Bytes(r.kv_budget), Bytes(r.kv_shared), r.cached_tiles));
  add("process", fmt::format("{}, {:.1f} cores busy", Bytes(r.memory), r.cores));
  std::string screen;
  for (std::string& line : lines) {
    line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(columns, 1))));
    screen += line + '\n';
  }
  return screen;
}

boost::json::object TopJson(const TopReading& r) {
  const auto value = [](const std::optional<double>& number) {
    return number ? boost::json::value(*number) : boost::json::value(nullptr);
  };
  boost::json::object models;
  for (const auto& [name, running] : r.models) models[name] = running;
  return {{"models", std::move(models)},
          {"running", r.running},
          {"waiting", r.waiting},
          {"requests_per_s", r.requests},
          {"refused_per_s", r.refused},
          {"clients_gone_per_s", r.gone},
          {"answer_tokens_per_s", r.answer_tokens},
          {"prompt_tokens_per_s", r.prompt_tokens},
          {"cached_tokens_per_s", r.cached_tokens},
          {"steps_per_s", r.steps},
          {"rows_of_step", r.rows_of_step},
          {"busy_share", r.busy_share},
          {"proposed_per_s", r.proposed},
          {"accepted_per_s", r.accepted},
          {"first_token_p50_s", value(r.first_p50)},
          {"first_token_p99_s", value(r.first_p99)},
          {"per_token_p50_s", value(r.between_p50)},
          {"per_token_p99_s", value(r.between_p99)},
          {"mask_s", value(r.mask_seconds)},
          {"kv_used_bytes", r.kv_used},
          {"kv_shared_bytes", r.kv_shared},
          {"kv_budget_bytes", r.kv_budget},
          {"cached_tiles", r.cached_tiles},
          {"resident_bytes", r.memory},
          {"busy_cores", r.cores}};
}

}  // namespace cairn::apps
