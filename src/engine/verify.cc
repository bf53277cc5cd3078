// SPDX-License-Identifier: Apache-2.0
#include "engine/verify.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
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

// One prompt on its way into the scheduler: what is sent next, and at last the finish.
struct Delivery {
  RequestId id = 0;
  std::vector<std::vector<std::int32_t>> messages;  // to append, or whole prompts
  std::size_t sent = 0;
};

// Up to five pieces, cut anywhere; or three other prompts that begin like this one for a while and
// go on like another, then the right one.
std::vector<std::vector<std::int32_t>> MessagesOf(Arrival arrival,
                                                  const std::vector<VerifyPrompt>& prompts,
                                                  std::size_t index, std::uint64_t seed) {
  const std::vector<std::int32_t>& prompt = prompts[index].tokens;
  const CounterRandom random(seed + index);
  const auto cut = [&](std::uint64_t i) {
    return static_cast<std::ptrdiff_t>(random.Uniform(i, 1) *
                                       static_cast<double>(prompt.size() + 1));
  };
  std::vector<std::ptrdiff_t> cuts;
  for (std::uint64_t i = 0; i < 4; ++i) cuts.push_back(cut(i));
  std::vector<std::vector<std::int32_t>> messages;
  if (arrival == Arrival::kInPieces) {
    std::ranges::sort(cuts);
    std::ptrdiff_t from = 0;
    cuts.push_back(std::ssize(prompt));
    for (const std::ptrdiff_t to : cuts) {
      messages.emplace_back(prompt.begin() + from, prompt.begin() + to);
      from = to;
    }
    return messages;
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const std::vector<std::int32_t>& other = prompts[(index + i + 1) % prompts.size()].tokens;
    std::vector<std::int32_t> wrong(prompt.begin(), prompt.begin() + cuts[i]);
    wrong.insert(wrong.end(), other.begin() + std::min(cuts[i], std::ssize(other)), other.end());
    messages.push_back(std::move(wrong));
  }
  messages.push_back(prompt);
  return messages;
}

// All prompts of one way, made once.
class Round {
 public:
  Round(const Way& way, const std::vector<VerifyPrompt>& prompts, const VerifyOptions& options,
        Answers& answers, WayResult& result)
      : way_(way), prompts_(prompts), options_(options), answers_(answers), result_(result) {}

  [[nodiscard]] Result<void> Run(const std::stop_token& stop) {
    for (const std::size_t i : Shuffled(prompts_.size(), options_.order_seed)) OR_RETURN(Ask(i));
    for (std::int64_t step = 0; ended_ < prompts_.size(); ++step) {
      if (step % 2 == 0) OR_RETURN(Deliver());
      const bool worked = answers_.Step(stop);
      CAIRN_CHECK(worked || !open_.empty() || ended_ == prompts_.size());
      if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped");
      if (failed_) return std::unexpected(*failed_);
    }
    return {};
  }

 private:
  [[nodiscard]] Result<void> Ask(std::size_t i) {
    AnswerRequest request;
    request.options.max_tokens = options_.max_tokens;
    request.options.sampling = prompts_[i].sampling;
    request.use_cache = way_.cached;
    request.streaming = way_.arrival != Arrival::kWhole;
    if (!request.streaming) request.prompt = prompts_[i].tokens;
    AnswerSink sink;
    sink.done = [this, i](std::vector<Result<Answer>> choices) {
      ++ended_;
      if (!choices[0]) {
        failed_ = choices[0].error();
      } else {
        result_.answers[i] = choices[0]->tokens;
      }
    };
    const bool streaming = request.streaming;
    const RequestId id = OR_RETURN(answers_.Submit(std::move(request), std::move(sink)));
    if (!streaming) return {};
    open_.push_back({id, MessagesOf(way_.arrival, prompts_, i, options_.order_seed)});
    return {};
  }

  // To a few at a time, so that some are computed, wait and give way while others come.
  [[nodiscard]] Result<void> Deliver() {
    const std::size_t count = std::min(open_.size(), 2 * static_cast<std::size_t>(way_.sequences));
    for (std::size_t i = 0; i < count; ++i) {
      Delivery& d = open_[i];
      if (d.sent == d.messages.size()) {
        OR_RETURN(answers_.Finish(d.id));
      } else if (way_.arrival == Arrival::kInPieces) {
        OR_RETURN(answers_.Append(d.id, d.messages[d.sent]));
      } else {
        OR_RETURN(answers_.Update(d.id, d.messages[d.sent]));
      }
      ++d.sent;
      ++result_.messages;
    }
    std::erase_if(open_, [](const Delivery& d) { return d.sent > d.messages.size(); });
    return {};
  }

  const Way& way_;
  const std::vector<VerifyPrompt>& prompts_;
  const VerifyOptions& options_;
  Answers& answers_;
  WayResult& result_;
  std::vector<Delivery> open_;
  std::size_t ended_ = 0;
  std::optional<Error> failed_;
};

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
      {.name = "8 at once, fast path proposes", .sequences = 8, .fast_path = true},
      {.name = "8 at once, preempted", .sequences = 8, .preempted = true},
      {.name = "8 at once, in pieces", .sequences = 8, .arrival = Arrival::kInPieces},
      {.name = "8 at once, cached and revised",
       .sequences = 8,
       .cached = true,
       .arrival = Arrival::kRevised},
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
  std::shared_ptr<Draft> draft;
  if (way.fast_path) {
    const bool lossy = options.kv == kernels::KvFormat::kQ8;
    engine_options.kv = lossy ? kernels::KvFormat::kF16 : kernels::KvFormat::kQ8;
    std::shared_ptr<Engine> fast = OR_RETURN(Engine::Create(model, engine_options));
    const int vocabulary = model->tokenizer().size();
    draft = std::make_shared<Draft>(std::move(fast), DraftOptions{.vocabulary = vocabulary});
  }
  Answers answers(*engine, {.sequences = way.sequences,
                            .waiting = static_cast<std::int64_t>(prompts.size()) + 1,
                            .propose = way.proposed,
                            .draft = draft,
                            .propose_always = way.fast_path,
                            .preempt_every = way.preempted ? 3 : 0});
  WayResult result;
  result.answers.resize(prompts.size());
  for (int time = 0; time < (way.cached ? 2 : 1); ++time) {
    OR_RETURN(Round(way, prompts, options, answers, result).Run(stop));
  }
  const SchedulerCounters counters = answers.scheduler().counters();
  result.reused = counters.reused_rows;
  result.accepted = counters.accepted;
  result.preempted = counters.preempted;
  if (draft) {
    result.guessed = counters.guessed;
    result.refused = counters.guessed - counters.guessed_right;
  }
  result.invalidated = counters.invalidated_rows;
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
