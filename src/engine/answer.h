// SPDX-License-Identifier: Apache-2.0
// What is asked of an answer, and what an answer is.
// Threads: plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/likelihood.h"
#include "engine/sampler.h"
#include "grammar/grammar.h"

namespace cairn::engine {

// Answers to one prompt.
inline constexpr int kMostChoices = 128;

enum class FinishReason { kEndOfTurn, kStopString, kLength, kContext, kCancelled };
std::string_view FinishReasonName(FinishReason reason);  // "end of turn", ...

struct GenerateOptions {
  std::int64_t max_tokens = -1;   // -1: until the model ends or the context is full
  bool ignore_end = false;        // what the model says ends nothing; its end tokens have no text
  std::vector<std::string> stop;  // matched across token borders; never part of the text
  SamplingOptions sampling;
  // How likely each token was, and this many of the likeliest in its place: 0 to
  // kMostTopLikelihoods; -1: nothing of it.
  int likelihoods = -1;
  // What the text must be, if anything: the answer ends where it is complete and says so, and is a
  // beginning of such a text where it ends for another reason, a stop string too.
  std::shared_ptr<const grammar::Grammar> grammar;
};

struct Answer {
  std::string text;
  std::string stop;                  // the stop string that ended it
  std::vector<std::int32_t> tokens;  // includes the end token when there was one
  // Of `tokens` without the end token, where they were asked for.
  std::vector<TokenLikelihoods> likelihoods;
  FinishReason reason = FinishReason::kLength;
  std::int64_t prompt_tokens = 0;  // of the whole prompt
  std::int64_t reused_tokens = 0;  // of them found in the cache
  // From the request (of a streamed prompt: its last piece) to the first token, by the engine's
  // clock.
  double prompt_seconds = 0;
  double answer_seconds = 0;  // from then to its last one
  // Of an answer under a grammar: masks that were asked for, and the time they took.
  std::int64_t masks = 0;
  double mask_seconds = 0;
};

// A part of an answer: text as TextSink has it, and the tokens that were chosen since the part
// before, where their likelihoods were asked for. Views, for the time of the call.
struct AnswerPiece {
  std::string_view text;
  std::span<const TokenLikelihoods> tokens;
};

// How far the computation of a prompt has come, in tokens.
struct PromptProgress {
  std::int64_t total = 0;
  std::int64_t reused = 0;    // found in the cache
  std::int64_t computed = 0;  // of the total, reused ones included
};

// Receives text as it is made: whole characters only, never part of a stop string. Returning false
// cancels; it is not called again.
using TextSink = std::function<bool(std::string_view text)>;

}  // namespace cairn::engine
