// SPDX-License-Identifier: Apache-2.0
// Answers: prefill what is new, then one token after the other until something ends it.
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/engine_state.h"
#include "engine/stop_strings.h"

namespace cairn::engine {
namespace {

// Tokens at the beginning of the prompt that the sequence holds already; at least one stays to be
// computed, since its logits are needed.
std::int64_t CommonPrefix(const Sequence& sequence, std::span<const std::int32_t> prompt) {
  const auto tokens = sequence.tokens();
  const auto limit = std::min(tokens.size(), prompt.size() - 1);
  std::size_t common = 0;
  while (common < limit && tokens[common] == prompt[common]) ++common;
  return static_cast<std::int64_t>(common);
}

Result<void> CheckPrompt(std::size_t tokens, std::int64_t context, std::int64_t model_context) {
  if (tokens == 0) return Fail(ErrorCode::kInvalidArgument, "the prompt has no tokens");
  if (static_cast<std::int64_t>(tokens) <= context) return {};
  return Fail(ErrorCode::kLimit,
              fmt::format("the prompt has {} tokens, the context holds {}; shorten it or raise "
                          "--context (the model was trained for {})",
                          tokens, context, model_context));
}

// The text of an answer while it grows: whole characters, held back where a stop string may begin.
class AnswerText {
 public:
  AnswerText(const model::Tokenizer& tokenizer, const GenerateOptions& options,
             const TextSink& sink, std::string& text)
      : tokenizer_(tokenizer),
        decoder_(tokenizer),
        stops_(options.stop),
        sink_(sink),
        text_(text) {}

  // What the token ends the answer with, if it does.
  std::optional<FinishReason> Take(std::int32_t token) {
    if (tokenizer_.IsEndOfGeneration(token)) return FinishReason::kEndOfTurn;
    Emit(stops_.Push(decoder_.Push(token)));
    if (stops_.found()) return FinishReason::kStopString;
    if (!wanted_) return FinishReason::kCancelled;
    return std::nullopt;
  }
  // No token follows: what was held back is text. True where that completed a stop string (an
  // unfinished character at the end reads as U+FFFD).
  bool Finish() {
    const bool found_before = stops_.found();
    Emit(stops_.Push(decoder_.Finish()));
    Emit(stops_.Finish());
    return stops_.found() && !found_before;
  }

 private:
  void Emit(std::string_view text) {
    if (text.empty() || !wanted_) return;
    text_ += text;
    if (sink_) wanted_ = sink_(text);
  }

  const model::Tokenizer& tokenizer_;
  model::StreamDecoder decoder_;
  StopStrings stops_;
  const TextSink& sink_;
  std::string& text_;
  bool wanted_ = true;  // the sink has not cancelled
};

}  // namespace

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEndOfTurn: return "end of turn";
    case FinishReason::kStopString: return "stop string";
    case FinishReason::kLength: return "length";
    case FinishReason::kContext: return "context";
    case FinishReason::kCancelled: return "cancelled";
  }
  return "?";
}

Result<Answer> Engine::Generate(Sequence& sequence, std::span<const std::int32_t> prompt,
                                const GenerateOptions& options, const TextSink& sink,
                                std::stop_token stop) {
  OR_RETURN(CheckSampling(options.sampling));
  OR_RETURN(CheckPrompt(prompt.size(), context(), model().context_length()));
  const Clock& clock = *state_->options.clock;
  const model::Tokenizer& tokenizer = model().tokenizer();
  Answer answer;
  answer.prompt_tokens = static_cast<std::int64_t>(prompt.size());
  answer.reused_tokens = sequence.tiles().UsableSize(CommonPrefix(sequence, prompt));
  sequence.Truncate(answer.reused_tokens);

  Sampler sampler(options.sampling, state_->kernels);
  std::vector<std::int32_t> history(prompt.begin(), prompt.end());
  std::int32_t next = -1;
  const LogitsSink sample = [&](int, int, std::span<const float> logits) {
    next = sampler.Sample(logits.first(static_cast<std::size_t>(tokenizer.size())), history);
  };
  const std::int64_t prompt_start = clock.NowNs();
  auto computed = Prefill(sequence, prompt.subspan(static_cast<std::size_t>(answer.reused_tokens)),
                          1, sample, stop);
  const std::int64_t answer_start = clock.NowNs();
  answer.prompt_seconds = static_cast<double>(answer_start - prompt_start) * 1e-9;

  AnswerText text(tokenizer, options, sink, answer.text);
  // Takes `next`; says why the answer ends there, if it does.
  const auto take = [&]() -> std::optional<FinishReason> {
    answer.tokens.push_back(next);
    history.push_back(next);
    if (const auto end = text.Take(next)) return end;
    if (stop.stop_requested()) return FinishReason::kCancelled;
    if (static_cast<std::int64_t>(answer.tokens.size()) == options.max_tokens) {
      return FinishReason::kLength;
    }
    if (sequence.size() >= context()) return FinishReason::kContext;
    return std::nullopt;
  };
  std::optional<FinishReason> end;
  if (options.max_tokens == 0) end = FinishReason::kLength;
  while (computed && !end) {
    end = take();
    // Nothing is computed from the last token.
    if (!end) computed = Prefill(sequence, {&history.back(), 1}, 1, sample, stop);
  }
  if (!computed) {
    if (computed.error().code != ErrorCode::kCancelled) {
      return std::unexpected(std::move(computed).error());
    }
    end = FinishReason::kCancelled;
  }
  answer.reason = text.Finish() ? FinishReason::kStopString : *end;
  answer.answer_seconds = static_cast<double>(clock.NowNs() - answer_start) * 1e-9;
  return answer;
}

}  // namespace cairn::engine
