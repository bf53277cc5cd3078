// SPDX-License-Identifier: Apache-2.0
#include "apps/verify_server.h"

#include <algorithm>
#include <atomic>
#include <boost/json/array.hpp>
#include <mutex>
#include <optional>
#include <thread>

#include "server/json_members.h"

namespace cairn::apps {
namespace {

using Tokens = std::vector<std::int32_t>;

boost::json::object BodyOf(const engine::VerifyPrompt& prompt, const std::string& model,
                           const ServerWay& way, std::int64_t max_tokens) {
  boost::json::object body{
      {"prompt", boost::json::array(prompt.tokens.begin(), prompt.tokens.end())},
      {"n_predict", max_tokens},
      {"temperature", prompt.sampling.temperature},
      {"seed", prompt.sampling.seed},
      {"cache_prompt", way.cached},
      {"return_tokens", true}};
  if (!model.empty()) body["model"] = model;
  return body;
}

Result<Tokens> TokensOf(const boost::json::value& answer) {
  const auto wrong = [] {
    return Fail(ErrorCode::kCorrupt, "the server's answer has no tokens; is it a cairn?");
  };
  const auto* object = answer.if_object();
  const auto* list = object == nullptr ? nullptr : object->if_contains("tokens");
  if (list == nullptr || !list->is_array()) return wrong();
  Tokens tokens;
  for (const boost::json::value& value : list->get_array()) {
    const auto id = server::WholeOf(value);
    if (!id) return wrong();
    tokens.push_back(static_cast<std::int32_t>(*id));
  }
  return tokens;
}

}  // namespace

std::span<const ServerWay> AllServerWays() {
  static const ServerWay kWays[] = {
      {.name = "one at a time, not cached"},
      {.name = "16 at once, not cached", .at_once = 16},
      {.name = "16 at once, cached", .at_once = 16, .cached = true},
      {.name = "again, from the cache", .at_once = 4, .cached = true}};
  return kWays;
}

Result<std::vector<Tokens>> AnswersOfServer(const ServerAddress& address, const std::string& model,
                                            const ServerWay& way,
                                            const std::vector<engine::VerifyPrompt>& prompts,
                                            std::int64_t max_tokens, const std::stop_token& stop) {
  std::vector<Tokens> answers(prompts.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failed;  // guarded by mutex
  const auto ask_all = [&]() -> Result<void> {
    ServerClient client = OR_RETURN(ServerClient::Connect(address));
    for (std::size_t i = next++; i < prompts.size(); i = next++) {
      if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped");
      const auto answer =
          OR_RETURN(client.Post("/completion", BodyOf(prompts[i], model, way, max_tokens)));
      answers[i] = OR_RETURN(TokensOf(answer));
    }
    return {};
  };
  {
    std::vector<std::jthread> askers;
    const auto count = std::min(prompts.size(), static_cast<std::size_t>(way.at_once));
    for (std::size_t i = 0; i < count; ++i) {
      askers.emplace_back([&] {
        const auto done = ask_all();
        if (done) return;
        next = prompts.size();  // the others stop too
        const std::lock_guard lock(mutex);
        if (!failed) failed = done.error();
      });
    }
  }
  if (failed) return std::unexpected(*std::move(failed));
  return answers;
}

}  // namespace cairn::apps
