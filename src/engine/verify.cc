// SPDX-License-Identifier: Apache-2.0
#include "engine/verify.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "engine/answers.h"

namespace cairn::engine {
namespace {

std::vector<std::size_t> Shuffled(std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const CounterRandom random(seed);
  for (std::size_t i = count; i > 1; --i) {
    const auto j = static_cast<std::size_t>(random.Uniform(i, 0) * static_cast<double>(i));
    std::swap(order[i - 1], order[std::min(j, i - 1)]);
  }
  return order;
}

}  // namespace

std::vector<Way> AllWays() {
  return {
      {.name = "alone", .everywhere = true},
      {.name = "alone, in chunks of 7", .step_rows = 7},
      {.name = "8 at once", .sequences = 8},
      {.name = "32 at once", .sequences = 32},
      {.name = "8 at once, cached", .sequences = 8, .cached = true},
      {.name = "alone, proposed", .proposed = true},
      {.name = "32 at once, cached and proposed",
       .sequences = 32,
       .cached = true,
       .proposed = true,
       .everywhere = true},
      {.name = "8 at once, preempted", .sequences = 8, .preempted = true},
  };
}

Result<WayResult> AnswerIn(const Way& way, kernels::Isa isa, int threads,
                           const std::shared_ptr<const model::Model>& model,
                           const std::vector<VerifyPrompt>& prompts, const VerifyOptions& options,
                           std::stop_token stop) {
  EngineOptions engine_options{.threads = threads,
                               .isa = isa,
                               .kv = options.kv,
                               .step_rows = way.step_rows,
                               .step_sequences = std::min(way.sequences, way.step_rows)};
  const auto engine = OR_RETURN(Engine::Create(model, engine_options));
  Answers answers(*engine, {.sequences = way.sequences,
                            .waiting = static_cast<std::int64_t>(prompts.size()) + 1,
                            .propose = way.proposed,
                            .preempt_every = way.preempted ? 3 : 0});
  WayResult result;
  result.answers.resize(prompts.size());
  std::optional<Error> failed;
  for (int time = 0; time < (way.cached ? 2 : 1); ++time) {
    for (const std::size_t i : Shuffled(prompts.size(), options.order_seed)) {
      AnswerRequest request;
      request.prompt = prompts[i].tokens;
      request.options.max_tokens = options.max_tokens;
      request.options.sampling = prompts[i].sampling;
      request.use_cache = way.cached;
      AnswerSink sink;
      sink.done = [&, i](std::vector<Result<Answer>> choices) {
        if (!choices[0]) {
          failed = choices[0].error();
        } else {
          result.answers[i] = choices[0]->tokens;
        }
      };
      OR_RETURN(answers.Submit(std::move(request), std::move(sink)));
    }
    while (answers.Step(stop)) {
      if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped");
      if (failed) return std::unexpected(*failed);
    }
  }
  if (failed) return std::unexpected(*failed);
  const SchedulerCounters counters = answers.scheduler().counters();
  result.reused = counters.reused_rows;
  result.accepted = counters.accepted;
  result.preempted = counters.preempted;
  return result;
}

std::uint64_t HashOf(const std::vector<std::vector<std::int32_t>>& answers) {
  std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
  const auto add = [&](std::uint64_t value) {
    for (int byte = 0; byte < 8; ++byte) hash = (hash ^ (value >> 8 * byte & 0xFF)) * 0x100000001B3;
  };
  for (const auto& answer : answers) {
    add(answer.size());
    for (const std::int32_t token : answer) add(static_cast<std::uint64_t>(token));
  }
  return hash;
}

}  // namespace cairn::engine
