// SPDX-License-Identifier: Apache-2.0
// A grammar's say in the choice of one answer's tokens: logits of tokens that cannot come are
// lowered below all others before the sampler sees them, so what it chooses is a function of the
// logits, the text before and the grammar alone.
// Threads: one at a time; the tokenizer must outlive it. Cost: a mask (grammar/masks.h) and a pass
// over the logits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "grammar/matcher.h"
#include "model/tokenizer.h"

namespace cairn::engine {

// The tokens as a grammar reads them: each as the decoder spells it, control tokens as nothing.
std::shared_ptr<const grammar::TokenTrie> TrieOf(const model::Tokenizer& tokenizer);

class ConstrainedChoice {
 public:
  ConstrainedChoice(std::shared_ptr<grammar::Masks> masks, const model::Tokenizer& tokenizer)
      : matcher_(std::move(masks)), tokenizer_(tokenizer) {}

  // The logits to sample from, valid until the next call. Errors: Matcher::Mask's.
  [[nodiscard]] Result<std::span<const float>> Mask(std::span<const float> logits);
  // The token that comes: `sampled`, or, where extreme penalties lowered all others below what is
  // masked, the likeliest that may come.
  std::int32_t Take(std::int32_t sampled);
  // The text is complete and nothing can follow.
  bool finished() const { return matcher_.finished(); }
  // The tokens of the text that must come next.
  std::vector<std::int32_t> Expected(int most) const;

 private:
  grammar::Matcher matcher_;
  const model::Tokenizer& tokenizer_;
  std::shared_ptr<const grammar::TokenMask> mask_;
  std::vector<float> logits_;
};

}  // namespace cairn::engine
