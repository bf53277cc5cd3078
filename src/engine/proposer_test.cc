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
  EXPECT_EQ(rate.Worth(0.3, 1), 0);
}

TEST(AcceptRateTest, GuessesThatAreRightAreWorthMany) {
  AcceptRate rate;
  for (int i = 0; i < 200; ++i) rate.Note(true);
  EXPECT_EQ(rate.Worth(0.3, 1), AcceptRate::kMostProposed);
}

// Rows that cost more than the tokens they may give are never worth it.
TEST(AcceptRateTest, DearRowsAreNeverWorthIt) {
  AcceptRate rate;
  for (int i = 0; i < 200; ++i) rate.Note(true);
  EXPECT_EQ(rate.Worth(1, 1), 0);
}

}  // namespace
}  // namespace cairn::engine
