// SPDX-License-Identifier: Apache-2.0
// Answers: prefill what is new, then one token after the other until something ends it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "engine/engine.h"
#include "engine/engine_state.h"
#include "engine/stop_strings.h"

namespace cairn::engine {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Tokens at the beginning of the prompt that the sequence holds already; at least one stays to be
// computed, since its logits are needed.
std::int64_t CommonPrefix(const Sequence& sequence, std::span<const std::int32_t> prompt) {
  const auto tokens = sequence.tokens();
  const auto limit = std::min(tokens.size(), prompt.size() - 1);
  std::size_t common = 0;
  while (common < limit && tokens[common] == prompt[common]) ++common;
  return static_cast<std::int64_t>(common);
}

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
  if (prompt.empty()) return Fail(ErrorCode::kInvalidArgument, "the prompt has no tokens");
  const auto prompt_tokens = static_cast<std::int64_t>(prompt.size());
  if (prompt_tokens > context()) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the prompt has {} tokens, the context holds {}; shorten it or raise "
                            "--context (the model was trained for {})",
                            prompt_tokens, context(), model().context_length()));
  }
  const model::Tokenizer& tokenizer = model().tokenizer();
  Answer answer;
  answer.prompt_tokens = prompt_tokens;
  answer.reused_tokens = CommonPrefix(sequence, prompt);
  sequence.Truncate(answer.reused_tokens);

  Sampler sampler(options.sampling, state_->kernels);
  std::vector<std::int32_t> history(prompt.begin(), prompt.end());
  std::int32_t next = -1;
  const LogitsSink sample = [&](int, int, std::span<const float> logits) {
    next = sampler.Sample(logits.first(static_cast<std::size_t>(tokenizer.size())), history);
  };
  const auto finish = [&](FinishReason reason) {
    answer.reason = reason;
    return answer;
  };
  const auto prompt_start = std::chrono::steady_clock::now();
  auto prefilled = Prefill(sequence, prompt.subspan(static_cast<std::size_t>(answer.reused_tokens)),
                           1, sample, stop);
  answer.prompt_seconds = SecondsSince(prompt_start);
  if (!prefilled) {
    if (prefilled.error().code == ErrorCode::kCancelled) return finish(FinishReason::kCancelled);
    return std::unexpected(std::move(prefilled).error());
  }
  const auto answer_start = std::chrono::steady_clock::now();
  model::StreamDecoder decoder(tokenizer);
  StopStrings stops(options.stop);
  const auto emit = [&](std::string_view text) {
    if (text.empty()) return true;
    answer.text += text;
    return !sink || sink(text);
  };
  while (options.max_tokens != 0) {
    answer.tokens.push_back(next);
    history.push_back(next);
    if (tokenizer.IsEndOfGeneration(next)) {
      answer.reason = FinishReason::kEndOfTurn;
      break;
    }
    const bool wanted = emit(stops.Push(decoder.Push(next)));
    if (stops.found()) {
      answer.reason = FinishReason::kStopString;
      break;
    }
    if (!wanted || stop.stop_requested()) {
      answer.reason = FinishReason::kCancelled;
      break;
    }
    // Nothing is computed from the last token.
    if (static_cast<std::int64_t>(answer.tokens.size()) == options.max_tokens) {
      answer.reason = FinishReason::kLength;
      break;
    }
    if (sequence.size() >= context()) {
      answer.reason = FinishReason::kContext;
      break;
    }
    auto stepped = Prefill(sequence, {&history.back(), 1}, 1, sample, stop);
    if (!stepped) {
      if (stepped.error().code != ErrorCode::kCancelled) {
        return std::unexpected(std::move(stepped).error());
      }
      answer.reason = FinishReason::kCancelled;
      break;
    }
  }
  if (!stops.found()) {
    // Ends that no stop string can be made of any more: a pending half stop string is text.
    const std::string tail = stops.Push(decoder.Finish());
    emit(tail + stops.Finish());
  }
  answer.answer_seconds = SecondsSince(answer_start);
  return answer;
}

}  // namespace cairn::engine
