// SPDX-License-Identifier: Apache-2.0
#include "engine/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "engine/answer_text.h"
#include "engine/constrained_choice.h"

namespace cairn::engine {
namespace {

// A request's answers until all have ended.
struct Gathered {
  AnswerSink sink;
  std::vector<Result<Answer>> answers;
};

// Chooses the tokens of one answer and makes its text.
class AnswerMaker final : public TokenChooser {
 public:
  AnswerMaker(const Engine& engine, const AnswerRequest& request, int choice,
              std::shared_ptr<Gathered> gathered, const std::shared_ptr<grammar::Masks>& masks)
      : clock_(engine.clock()),
        tokenizer_(engine.model().tokenizer()),
        vocabulary_(static_cast<std::size_t>(engine.model().tokenizer().size())),
        max_tokens_(request.options.max_tokens),
        ignore_end_(request.options.ignore_end),
        sampler_(WithChoice(request.options.sampling, choice), engine.kernels()),
        likelihoods_(request.options.likelihoods),
        meter_(engine.kernels()),
        history_(request.prompt),
        text_(engine.model().tokenizer(), request.options.stop, SinkOf(gathered->sink, choice)),
        gathered_(std::move(gathered)),
        choice_(static_cast<std::size_t>(choice)),
        started_ns_(clock_.NowNs()) {
    if (masks != nullptr) constraint_.emplace(masks, engine.model().tokenizer());
    answer_.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
  }

  void PromptIsComplete(std::span<const std::int32_t> tokens, std::int64_t waited_ns) override {
    history_.assign(tokens.begin(), tokens.end());
    answer_.prompt_tokens = static_cast<std::int64_t>(tokens.size());
    answer_.reused_tokens = std::min(answer_.reused_tokens, answer_.prompt_tokens);
    started_ns_ = clock_.NowNs() - waited_ns;
  }

  std::optional<std::int32_t> Next(std::span<const float> logits) override {
    if (!first_ns_) {
      Progress(answer_.prompt_tokens, answer_.prompt_tokens);
      first_ns_ = clock_.NowNs();
    }
    if (max_tokens_ == 0) return std::nullopt;
    const std::span<const float> given = logits.first(vocabulary_);
    logits = given;
    if (constraint_) {
      const std::int64_t before = clock_.NowNs();
      auto masked = constraint_->Mask(logits);
      ++answer_.masks;
      answer_.mask_seconds += 1e-9 * static_cast<double>(clock_.NowNs() - before);
      if (!masked) {
        failure_ = std::move(masked).error();
        return std::nullopt;
      }
      logits = *masked;
    }
    std::int32_t token = sampler_.Sample(logits, history_);
    if (constraint_) token = constraint_->Take(token);
    history_.push_back(token);
    answer_.tokens.push_back(token);
    if (likelihoods_ >= 0 && !tokenizer_.IsEndOfGeneration(token)) {
      answer_.likelihoods.push_back(meter_.Of(given, token, likelihoods_));
    }
    reason_ = text_.Take(token);
    if (constraint_ && constraint_->finished() && !reason_) reason_ = FinishReason::kEndOfTurn;
    if (ignore_end_ && !constraint_ && reason_ == FinishReason::kEndOfTurn) reason_.reset();
    if (!reason_ && static_cast<std::int64_t>(answer_.tokens.size()) == max_tokens_) {
      reason_ = FinishReason::kLength;
    }
    if (reason_) return std::nullopt;
    return token;
  }

  void Reused(std::int64_t tokens) override {
    answer_.reused_tokens = tokens;
    Progress(tokens, answer_.prompt_tokens);
  }

  void Progress(std::int64_t computed, std::int64_t total) override {
    const auto& sink = gathered_->sink.progress;
    if (!sink || first_ns_ || choice_ != 0) return;
    sink({.total = total, .reused = answer_.reused_tokens, .computed = computed});
  }

  std::vector<std::int32_t> ExpectedTokens(int most) override {
    return constraint_ ? constraint_->Expected(most) : std::vector<std::int32_t>();
  }

  void End(Ended how) override {
    if (how == Ended::kContext) reason_ = FinishReason::kContext;
    if (how == Ended::kCancelled) reason_ = FinishReason::kCancelled;
    const bool found = text_.Finish();
    answer_.reason = found ? FinishReason::kStopString : reason_.value_or(FinishReason::kLength);
    answer_.text = text_.text();
    answer_.stop = text_.stop();
    const std::int64_t now = clock_.NowNs();
    const std::int64_t first = first_ns_.value_or(now);
    answer_.prompt_seconds = static_cast<double>(first - started_ns_) * 1e-9;
    answer_.answer_seconds = static_cast<double>(now - first) * 1e-9;
    if (failure_) {
      gathered_->answers[choice_] = std::unexpected(std::move(*failure_));
      return;
    }
    if (gathered_->sink.ended) {
      gathered_->sink.ended(static_cast<int>(choice_), answer_, {.text = {}, .tokens = Untold()});
    }
    gathered_->answers[choice_] = std::move(answer_);
  }

  void Fail(const Error& error) override { gathered_->answers[choice_] = std::unexpected(error); }

 private:
  static SamplingOptions WithChoice(SamplingOptions options, int choice) {
    options.choice = static_cast<std::uint64_t>(choice);
    return options;
  }
  // The maker, and so its text, holds what the sink belongs to.
  TextSink SinkOf(const AnswerSink& sink, int choice) {
    if (!sink.piece) return {};
    return [this, &sink, choice](std::string_view text) {
      return sink.piece(choice, {.text = text, .tokens = Untold()});
    };
  }
  // The tokens that no piece has told.
  std::span<const TokenLikelihoods> Untold() {
    const std::size_t from = std::exchange(told_, answer_.likelihoods.size());
    return std::span(answer_.likelihoods).subspan(from);
  }

  const Clock& clock_;
  const model::Tokenizer& tokenizer_;
  std::size_t vocabulary_;
  std::int64_t max_tokens_;
  bool ignore_end_;
  Sampler sampler_;
  int likelihoods_;  // of each token; -1: none
  LikelihoodMeter meter_;
  std::size_t told_ = 0;  // of answer_.likelihoods
  std::vector<std::int32_t> history_;
  AnswerText text_;
  std::shared_ptr<Gathered> gathered_;
  std::size_t choice_;
  std::int64_t started_ns_;
  std::optional<std::int64_t> first_ns_;  // when the first token was chosen
  std::optional<FinishReason> reason_;
  std::optional<ConstrainedChoice> constraint_;
  std::optional<Error> failure_;
  Answer answer_;
};

Result<void> CheckOptions(const GenerateOptions& options, std::int32_t vocabulary) {
  OR_RETURN(CheckSampling(options.sampling));
  for (const TokenBias& entry : options.sampling.bias) {
    if (entry.token >= 0 && entry.token < vocabulary) continue;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("logit_bias names token {}, and this model has tokens 0 to {}",
                            entry.token, vocabulary - 1),
                "logit_bias");
  }
  if (options.likelihoods >= -1 && options.likelihoods <= kMostTopLikelihoods) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("at most {} likelihoods of a token can be told", kMostTopLikelihoods));
}

}  // namespace

Answers::Answers(Engine& engine, const SchedulerOptions& options)
    : engine_(engine), scheduler_(engine, options) {}

std::shared_ptr<grammar::Masks> Answers::MasksFor(std::shared_ptr<const grammar::Grammar> grammar) {
  constexpr std::size_t kKept = 16, kKeptBytes = std::size_t{128} << 20;
  if (trie_ == nullptr) trie_ = TrieOf(engine_.model().tokenizer());
  const auto found = std::ranges::find_if(
      masks_, [&](const auto& masks) { return masks->grammar() == grammar && !masks->full(); });
  if (found != masks_.end()) {
    std::rotate(found, found + 1, masks_.end());
  } else {
    masks_.push_back(std::make_shared<grammar::Masks>(std::move(grammar), trie_, shared_tables_));
  }
  std::size_t bytes = 0;
  for (const auto& masks : masks_) bytes += masks->bytes();
  while (masks_.size() > kKept || (bytes > kKeptBytes && masks_.size() > 1)) {
    bytes -= masks_.front()->bytes();
    masks_.erase(masks_.begin());
  }
  return masks_.back();
}

Result<RequestId> Answers::Submit(AnswerRequest request, AnswerSink sink) {
  OR_RETURN(
      CheckOptions(request.options, static_cast<std::int32_t>(engine_.model().tokenizer().size())));
  if (request.choices < 1 || request.choices > kMostChoices) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a request must have 1 to {} choices", kMostChoices));
  }
  std::shared_ptr<grammar::Masks> masks;
  if (request.options.grammar != nullptr) masks = MasksFor(request.options.grammar);
  auto gathered = std::make_shared<Gathered>();
  gathered->sink = std::move(sink);
  gathered->answers.resize(static_cast<std::size_t>(request.choices));
  Request scheduled;
  for (int choice = 0; choice < request.choices; ++choice) {
    scheduled.choices.push_back(
        std::make_unique<AnswerMaker>(engine_, request, choice, gathered, masks));
  }
  scheduled.prompt = std::move(request.prompt);
  scheduled.streaming = request.streaming;
  scheduled.priority = request.priority;
  scheduled.tenant = std::move(request.tenant);
  scheduled.space = request.space;
  scheduled.use_cache = request.use_cache;
  scheduled.deadline_ns = request.deadline_ns;
  scheduled.gone = [gathered](RequestId) {
    if (gathered->sink.done) gathered->sink.done(std::move(gathered->answers));
  };
  return scheduler_.Submit(std::move(scheduled));
}

Result<Answer> Answers::Generate(std::span<const std::int32_t> prompt,
                                 const GenerateOptions& options, const TextSink& sink,
                                 std::stop_token stop) {
  std::optional<Result<Answer>> answer;
  AnswerSink sinks;
  if (sink) sinks.piece = [&](int, const AnswerPiece& piece) { return sink(piece.text); };
  sinks.done = [&](std::vector<Result<Answer>> answers) { answer = std::move(answers.front()); };
  AnswerRequest request;
  request.prompt.assign(prompt.begin(), prompt.end());
  request.options = options;
  const RequestId id = OR_RETURN(Submit(std::move(request), std::move(sinks)));
  while (!answer) {
    if (stop.stop_requested()) RequestCancel(id);
    CAIRN_CHECK(scheduler_.Step(stop) || answer);
  }
  return *std::move(answer);
}

}  // namespace cairn::engine
