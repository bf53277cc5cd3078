// SPDX-License-Identifier: Apache-2.0
#include "engine/proposer.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn::engine {
namespace {

using Tokens = std::vector<std::int32_t>;

Tokens Propose(const Tokens& tokens, int most) {
  const auto guess = ProposeFromText(tokens, most);
  return {guess.begin(), guess.end()};
}

// What n rows cost, each the same.
auto Rows(double each) {
  return [each](int rows) { return each * rows; };
}

TEST(ProposeFromTextTest, WhatFollowedTheSameEndingComesNext) {
  EXPECT_EQ(Propose({1, 2, 3, 4, 5, 9, 9, 1, 2, 3}, 2), (Tokens{4, 5}));
}

TEST(ProposeFromTextTest, AnEndingThatIsTooShortIsNone) {
  EXPECT_EQ(Propose({1, 2, 4, 9, 1, 2}, 4), Tokens{});
}

TEST(ProposeFromTextTest, TheLongerAgreementWinsOverTheLater) {
  EXPECT_EQ(Propose({7, 1, 2, 3, 50, 8, 1, 2, 3, 60, 7, 1, 2, 3}, 1), (Tokens{50}));
}

TEST(ProposeFromTextTest, AmongEqualAgreementsTheLatestWins) {
  EXPECT_EQ(Propose({7, 1, 2, 3, 50, 8, 1, 2, 3, 60, 9, 1, 2, 3}, 1), (Tokens{60}));
}

// What follows may run into the end itself: a text that repeats a period goes on with it.
TEST(ProposeFromTextTest, ARepetitionGoesOn) {
  EXPECT_EQ(Propose({1, 2, 3, 1, 2, 3, 1, 2, 3}, 8), (Tokens{1, 2, 3}));
}

TEST(ProposeFromTextTest, ShortTextsHaveNoPlace) {
  for (std::size_t size = 0; size < 4; ++size) EXPECT_EQ(Propose(Tokens(size, 5), 4), Tokens{});
  EXPECT_EQ(Propose({5, 5, 5, 5}, 4), (Tokens{5}));
}

TEST(AcceptRateTest, GuessesThatAreWrongAreNotWorthARow) {
  AcceptRate rate;
  for (int i = 0; i < 100; ++i) rate.Note(false);
  EXPECT_EQ(rate.Worth(1, kMostProposed, Rows(0.3)), 0);
}

TEST(AcceptRateTest, GuessesThatAreRightAreWorthMany) {
  AcceptRate rate;
  for (int i = 0; i < 200; ++i) rate.Note(true);
  EXPECT_EQ(rate.Worth(1, kMostProposed, Rows(0.3)), kMostProposed);
  EXPECT_EQ(rate.Worth(1, 4, Rows(0.3)), 4);
}

// Rows that cost more than the tokens they may give are never worth it.
TEST(AcceptRateTest, DearRowsAreNeverWorthIt) {
  AcceptRate rate;
  for (int i = 0; i < 200; ++i) rate.Note(true);
  EXPECT_EQ(rate.Worth(1, kMostProposed, Rows(1)), 0);
}

// Where the first row costs as much as five, one guess is not worth it and ten are.
TEST(AcceptRateTest, ManyMayBeWorthItWhereOneIsNot) {
  AcceptRate rate;
  for (int i = 0; i < 200; ++i) rate.Note(true);
  const auto cost = [](int rows) { return 5 + 0.1 * rows; };
  EXPECT_EQ(rate.Worth(1, 4, cost), 0);
  EXPECT_EQ(rate.Worth(1, kMostProposed, cost), kMostProposed);
}

// Nothing but losses: they end, and come back as a fiftieth of what is made.
TEST(ProposalPurseTest, LossesAreAFiftiethAndTheFirstCredit) {
  ProposalPurse purse(4, 32);
  double lost = 0;
  constexpr int kTokens = 10000;
  for (int i = 0; i < kTokens; ++i) {
    const double spent = purse.open() ? 1 : 0;
    purse.Settle(0, spent, 1);
    lost += spent;
  }
  EXPECT_LE(lost, kTokens / 50 + 4 + 1);
  EXPECT_GE(lost, kTokens / 50);
}

TEST(ProposalPurseTest, OldGainsDoNotPayLongForLosses) {
  ProposalPurse purse(4, 32);
  for (int i = 0; i < 1000; ++i) purse.Settle(5, 1, 1);
  int open = 0;
  for (; purse.open(); ++open) purse.Settle(0, 1, 1);
  EXPECT_LE(open, 34);
}

}  // namespace
}  // namespace cairn::engine
