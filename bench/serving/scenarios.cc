// SPDX-License-Identifier: Apache-2.0
#include "scenarios.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "engine/answers.h"
#include "engine/machine.h"
#include "player.h"

namespace cairn::bench {
namespace {

using boost::json::object;
using engine::Answer;
using engine::Answers;

constexpr int kRunning = 32;
constexpr std::int64_t kEndless = 1 << 14;  // tokens of an answer that outlives the measurement

engine::AnswerRequest Wish(std::vector<std::int32_t> prompt, std::int64_t tokens,
                           float temperature) {
  return {.prompt = std::move(prompt),
          .options = {
              .max_tokens = tokens, .ignore_end = true, .sampling = {.temperature = temperature}}};
}

double Ms(std::int64_t ns) { return static_cast<double>(ns) * 1e-6; }

// Steps until `enough`; the time of all of them, and of that the model's.
struct StepTimes {
  std::int64_t all = 0, model = 0;
};
StepTimes StepUntil(Answers& answers, const std::function<bool()>& enough) {
  const Clock& clock = answers.engine().clock();
  const std::int64_t model = answers.scheduler().counters().model_ns;
  const std::int64_t begin = clock.NowNs();
  while (!enough() && answers.Step()) {
  }
  return {clock.NowNs() - begin, answers.scheduler().counters().model_ns - model};
}
StepTimes Steps(Answers& answers, std::int64_t count) {
  return StepUntil(answers, [&] { return count-- == 0; });
}

}  // namespace

Result<object> MeasureDecode(engine::Engine& engine, int sequences, std::int64_t depth,
                             std::int64_t tokens) {
  std::vector<double> rates;
  double own = 0;
  for (std::uint64_t round = 0; round < 4; ++round) {
    // Prompts first, so that no answer is far ahead of the others when the last one begins.
    Answers answers(engine, {.sequences = sequences, .pace = 1e3, .propose = false});
    int begun = 0;  // answers
    const auto note = [&](const engine::PromptProgress& progress) {
      begun += progress.computed == progress.total ? 1 : 0;
    };
    for (int i = 0; i < sequences; ++i) {
      const std::uint64_t seed = 1000 * round + static_cast<std::uint64_t>(i);
      engine::AnswerRequest wish = Wish(SomeTokens(depth, engine.vocabulary(), seed), kEndless, 0);
      wish.use_cache = false;  // a first token in common would be found there
      OR_RETURN(answers.Submit(std::move(wish),
                               {.piece = {}, .ended = {}, .progress = note, .done = {}}));
    }
    StepUntil(answers, [&] { return begun == sequences; });
    Steps(answers, 2);
    const StepTimes times = Steps(answers, tokens);
    if (round == 0) continue;  // it warms up
    rates.push_back(static_cast<double>(sequences * tokens) / static_cast<double>(times.all) * 1e9);
    own = std::max(own, 1 - static_cast<double>(times.model) / static_cast<double>(times.all));
  }
  return object{
      {"sequences", sequences}, {"tokens_per_s", Percentile(rates, 0.5)}, {"scheduler_share", own}};
}

Result<object> MeasureWaiting(engine::Engine& engine, int waiting) {
  constexpr std::int64_t kPrompt = 64, kAnswer = 64, kSteps = 400;
  Answers answers(engine, {.sequences = kRunning, .waiting = 2 * waiting + kRunning});
  std::uint64_t seed = 0;
  std::optional<Error> error;
  std::function<void()> submit = [&] {
    const auto submitted = answers.Submit(
        Wish(SomeTokens(kPrompt, engine.vocabulary(), ++seed), kAnswer, 0.8f),
        {.piece = {}, .ended = {}, .progress = {}, .done = [&](std::vector<Result<Answer>>) {
           submit();
         }});
    if (!submitted) error = submitted.error();
  };
  for (int i = 0; i < waiting + kRunning; ++i) submit();
  Steps(answers, 100);
  std::int64_t least_waiting = waiting, least_running = kRunning;
  std::int64_t left = kSteps;
  const StepTimes times = StepUntil(answers, [&] {
    const auto counters = answers.scheduler().counters();
    least_waiting = std::min(least_waiting, counters.waiting);
    least_running = std::min(least_running, counters.running);
    return left-- == 0 || error;
  });
  if (error) return std::unexpected(*error);
  return object{
      {"waiting", least_waiting},
      {"running", least_running},
      {"step_ms", Ms(times.all) / kSteps},
      {"scheduler_us", 1e3 * Ms(times.all - times.model) / kSteps},
      {"scheduler_share", 1 - static_cast<double>(times.model) / static_cast<double>(times.all)}};
}

Result<object> MeasureHit(engine::Engine& engine, std::int64_t tokens) {
  constexpr int kRounds = 5;
  constexpr std::int64_t kAnswer = 17;
  Answers answers(engine, {.sequences = 1, .propose = false});
  std::vector<double> cold, hit, step;
  for (std::uint64_t round = 0; round <= kRounds; ++round) {
    const auto prompt = SomeTokens(tokens, engine.vocabulary(), round);
    const engine::GenerateOptions options = Wish({}, kAnswer, 0).options;
    const Answer first = OR_RETURN(answers.Generate(prompt, options, {}));
    const Answer again = OR_RETURN(answers.Generate(prompt, options, {}));
    if (again.reused_tokens != tokens - 1) {
      return Fail(ErrorCode::kNumeric, "the prompt was not found in the cache");
    }
    if (round == 0) continue;  // it warms up
    cold.push_back(1e3 * first.prompt_seconds);
    hit.push_back(1e3 * again.prompt_seconds);
    step.push_back(1e3 * again.answer_seconds / (kAnswer - 1));
  }
  const double cold_ms = Percentile(cold, 0.5), hit_ms = Percentile(hit, 0.5);
  const double step_ms = Percentile(step, 0.5);
  return object{{"tokens", tokens},
                {"cold_ms", cold_ms},
                {"hit_ms", hit_ms},
                {"step_ms", step_ms},
                {"beyond_a_step_share", std::max(0.0, hit_ms - step_ms) / cold_ms}};
}

namespace {

// Running answers whose pieces are told apart by whether a prompt was in the step.
class Pace {
 public:
  Pace(engine::Engine& engine, std::int64_t tokens)
      : clock_(engine.clock()),
        answers_(engine, {.sequences = kAnswers + 1, .propose = false}),
        vocabulary_(engine.vocabulary()),
        tokens_(tokens) {}

  [[nodiscard]] Result<object> Run();

 private:
  static constexpr int kAnswers = 8;
  static constexpr int kPhases = 16, kStepsOfPhase = 50;

  [[nodiscard]] Result<void> SubmitAnswers();
  [[nodiscard]] Result<void> SubmitPrompt();

  const Clock& clock_;
  Answers answers_;
  int vocabulary_;
  std::int64_t tokens_;
  std::uint64_t seed_ = 100;
  std::array<std::int64_t, kAnswers> last_{};
  std::vector<double> gaps_;  // of the step that is being made
  bool prompt_runs_ = false;
};

Result<void> Pace::SubmitAnswers() {
  for (int i = 0; i < kAnswers; ++i) {
    auto request =
        Wish(SomeTokens(128, vocabulary_, static_cast<std::uint64_t>(i)), kEndless, 0.8f);
    request.options.sampling.seed = static_cast<std::uint64_t>(i);
    const auto note = [this, i](int, const engine::AnswerPiece&) {
      std::int64_t& last = last_[static_cast<std::size_t>(i)];
      const std::int64_t now = clock_.NowNs();
      if (last > 0) gaps_.push_back(Ms(now - last));
      last = now;
      return true;
    };
    OR_RETURN(answers_.Submit(std::move(request),
                              {.piece = note, .ended = {}, .progress = {}, .done = {}}));
  }
  return {};
}

Result<void> Pace::SubmitPrompt() {
  auto request = Wish(SomeTokens(tokens_, vocabulary_, ++seed_), 1, 0);
  request.use_cache = false;
  OR_RETURN(answers_.Submit(
      std::move(request),
      {.piece = {}, .ended = {}, .progress = {}, .done = [this](std::vector<Result<Answer>>) {
         prompt_runs_ = false;
       }}));
  prompt_runs_ = true;
  return {};
}

Result<object> Pace::Run() {
  OR_RETURN(SubmitAnswers());
  std::vector<double> alone, beside;
  std::int64_t prompt_rows = 0;
  Steps(answers_, 40);
  for (int phase = 0; phase < kPhases; ++phase) {
    const bool prompts = phase % 2 == 1;
    for (int step = 0; step < kStepsOfPhase;) {
      if (prompts && !prompt_runs_) OR_RETURN(SubmitPrompt());
      const std::int64_t before = answers_.scheduler().counters().prompt_rows;
      gaps_.clear();
      answers_.Step();
      const std::int64_t rows = answers_.scheduler().counters().prompt_rows - before;
      // The last prompt of a phase ends in the next one.
      if ((rows > 0) == prompts) ++step;
      auto& gaps = rows > 0 ? beside : alone;
      // The first phases teach the scheduler what a row of a prompt takes.
      if (phase >= 2) gaps.insert(gaps.end(), gaps_.begin(), gaps_.end());
      if (phase >= 2) prompt_rows += rows;
    }
  }
  const double alone_ms = Percentile(alone, 0.99), beside_ms = Percentile(beside, 0.99);
  return object{{"answers", kAnswers},          {"alone_p50_ms", Percentile(alone, 0.5)},
                {"alone_p99_ms", alone_ms},     {"beside_p50_ms", Percentile(beside, 0.5)},
                {"beside_p99_ms", beside_ms},   {"pieces_beside", beside.size()},
                {"prompt_tokens", prompt_rows}, {"ratio", beside_ms / alone_ms}};
}

}  // namespace

Result<object> MeasurePace(engine::Engine& engine, std::int64_t tokens) {
  return Pace(engine, tokens).Run();
}

Result<object> MeasureMemory(engine::Engine& engine, std::span<const TraceRequest> trace) {
  Answers answers(engine, {.sequences = kRunning});
  // Buffers of a full step, and what the first requests bring into memory.
  const auto warm = SomeTokens(engine.step_rows(), engine.vocabulary(), 1);
  OR_RETURN(answers.Generate(warm, Wish({}, 8, 0).options, {}));
  // And the logits of as many answers as will run: a megabyte each with a vocabulary of 262,144.
  for (std::uint64_t seed = 2; seed < 2 + kRunning; ++seed) {
    OR_RETURN(answers.Submit(Wish(SomeTokens(8, engine.vocabulary(), seed), 64, 0), {}));
  }
  while (answers.Step()) {
  }
  const auto resident = [] {
    return static_cast<double>(engine::MemoryOfProcess().resident_bytes);
  };
  const double resident_before = resident();
  const auto reserved_before = static_cast<double>(engine.kv_use().reserved);
  const auto budget = static_cast<double>(engine.kv_use().budget);
  std::size_t most = 0;
  double apart = 0;
  int steps = 0;
  const auto look = [&] {
    const kv::KvUse use = engine.kv_use();
    most = std::max(most, use.reserved);
    if (++steps % 16 != 0) return;
    const double grown = static_cast<double>(use.reserved) - reserved_before;
    apart = std::max(apart, std::abs(resident() - resident_before - grown));
  };
  const Played played =
      OR_RETURN(Play(answers, trace, {.clients = kRunning, .temperature = 0}, look));
  return object{{"budget_bytes", budget},
                {"most_reserved_bytes", most},
                {"over_budget_bytes", std::max(0.0, static_cast<double>(most) - budget)},
                {"resident_apart_bytes", apart},
                {"resident_apart_share", apart / budget},
                {"preempted", played.counters.preempted},
                {"evicted_entries", answers.scheduler().cache().counters().evicted_entries}};
}

}  // namespace cairn::bench
