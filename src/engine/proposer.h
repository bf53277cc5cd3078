// SPDX-License-Identifier: Apache-2.0
// Tokens that may come next, guessed from the text itself: where the last tokens stood before, what
// followed them then (code that is edited, quotations, lists).
//
// A proposal costs rows of a step and changes no answer: the scheduler keeps what the sampler would
// have chosen anyway. So it is made only where it is likely to win time. How likely is learned from
// every token of the answer, also while nothing is proposed: a guess costs a look at the text.
// Threads: pure functions, and a value per answer. Cost: a scan of the tokens.
// Source: the window and commit rules of systems/13; the look-up is prompt look-up decoding.
#pragma once

#include <cstdint>
#include <span>

namespace cairn::engine {

// What follows the latest earlier place whose ending agrees longest with the end of `tokens` (at
// least kLeastMatch tokens): a part of `tokens`, at most `most` long, empty where there is no
// place.
std::span<const std::int32_t> ProposeFromText(std::span<const std::int32_t> tokens, int most);

// How often a guess was right lately, for one answer.
class AcceptRate {
 public:
  // Guesses worth a row each: the i-th is right with rate^i, and a row costs `row_ns` where the
  // step makes a token each `token_ns`. At most kMostProposed.
  int Worth(double row_ns, double token_ns) const;
  // The guess of the next token was right, or not.
  void Note(bool right) { rate_ += kLearn * ((right ? 1.0 : 0.0) - rate_); }
  double rate() const { return rate_; }

  static constexpr int kMostProposed = 15;

 private:
  static constexpr double kLearn = 0.1;
  double rate_ = 0.5;
};

}  // namespace cairn::engine
