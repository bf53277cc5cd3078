// SPDX-License-Identifier: Apache-2.0
// What encoders have beside the blocks of decoder.h: types of tokens, and a head that scores pairs.
// Threads: used by one thread.
#pragma once

#include <functional>

#include "model/decoder.h"

namespace cairn::model {

class EncoderBuilder : public DecoderBuilder {
 public:
  using DecoderBuilder::DecoderBuilder;

  // "token_embd", and "token_types" where the file has them.
  Value TypedTokens();

  // The rows of a BERT with rotary heads in place of learned positions, norms behind its halves.
  Value RotaryLayers(int layers, const std::function<Value(Value)>& feed_forward);

  // Ends the program: with the scores of pairs where the file has "cls.output" (of the first row;
  // "cls", with a tanh, comes before it where there is one), else with the rows x.
  [[nodiscard]] Result<program::Program> FinishRowsOrScores(Value x);
};

}  // namespace cairn::model
