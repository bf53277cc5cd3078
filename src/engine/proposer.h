// SPDX-License-Identifier: Apache-2.0
// Tokens that may come next, guessed from the text itself: where the last tokens stood before, what
// followed them then (code that is edited, quotations, lists). And what tells whether a guess, from
// the text or from a draft model (draft.h), is worth its rows.
//
// A proposal costs rows of a step and changes no answer: the scheduler keeps what the sampler would
// have chosen anyway. So it is made only where it is likely to win time. How likely is learned from
// every token that was guessed, proposed or not; what it really won or lost is counted in a purse.
// Threads: pure functions, and values of the scheduler's. Cost: a scan of the tokens.
// Source: the window and commit rules of systems/13; the look-up is prompt look-up decoding.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace cairn::engine {

// What follows the latest earlier place whose ending agrees longest with the end of `tokens` (at
// least kLeastMatch tokens): a part of `tokens`, at most `most` long, empty where there is no
// place.
std::span<const std::int32_t> ProposeFromText(std::span<const std::int32_t> tokens, int most);

inline constexpr int kMostProposed = 15;  // of one answer in a step

// How often a guess was right lately.
class AcceptRate {
 public:
  // How many guesses win the most time, 0 to `most`: the i-th is right with rate^i and wins
  // `token_ns` then, and n of them cost cost_ns(n).
  int Worth(double token_ns, int most, const std::function<double(int)>& cost_ns) const;
  // The guess of the next token was right, or not.
  void Note(bool right) { rate_ += kLearn * ((right ? 1.0 : 0.0) - rate_); }
  double rate() const { return rate_; }

 private:
  static constexpr double kLearn = 0.1;
  double rate_ = 0.5;
};

// What proposals may lose. All is counted in tokens' worth of time, so that it means the same at
// any depth and in any company. What is won fills the purse, what is spent empties it, and each
// token that is made puts a fiftieth in: proposals that win nothing cost 2 % and the first credit.
class ProposalPurse {
 public:
  // `first`: the credit. `most`: what it holds at most, so that old gains do not pay long for
  // losses.
  ProposalPurse(double first, double most) : balance_(first), most_(most) {}
  bool open() const { return balance_ > 0; }
  // A step: tokens that proposals won, time that they took, tokens made without them.
  void Settle(double won, double spent, double made) {
    balance_ += won - spent + kShare * made;
    if (balance_ > most_) balance_ = most_;
  }
  double balance() const { return balance_; }

 private:
  static constexpr double kShare = 0.02;
  double balance_;
  double most_;
};

// Who guesses, and what that has won so far.
struct Guesser {
  AcceptRate rate;
  ProposalPurse purse;
};

}  // namespace cairn::engine
