// SPDX-License-Identifier: Apache-2.0
#include "engine/step_budget.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cairn::engine {
namespace {

// A machine on which a step takes 3 ms, and 0.2 ms more for each row of an answer behind the first
// and 0.5 ms for each row of a prompt.
std::int64_t Ns(int answers, std::int64_t prompts) {
  const std::int64_t answer = answers > 0 ? 3'000'000 + (answers - 1) * 200'000 : 0;
  return answer + prompts * 500'000;
}

TEST(StepBudgetTest, WithoutAnswersAStepIsFull) {
  EXPECT_EQ(StepBudget(512, 2).PromptRows(0), 512);
}

TEST(StepBudgetTest, BeforeAnythingIsKnownAChunkIsSmall) {
  EXPECT_EQ(StepBudget(512, 2).PromptRows(3), StepBudget::kFirstRows);
}

TEST(StepBudgetTest, AStepWithPromptsTakesNoLongerThanThePaceSays) {
  StepBudget budget(512, 2);
  for (int round = 0; round < 50; ++round) {
    for (const int answers : {1, 2, 4, 8, 16, 32}) {
      budget.Note(answers, 0, 0, Ns(answers, 0));
      const std::int64_t rows = budget.PromptRows(answers);
      budget.Note(answers, rows, 0, Ns(answers, rows));
    }
  }
  for (const int answers : {16, 32}) {
    const std::int64_t rows = budget.PromptRows(answers);
    EXPECT_GT(rows, StepBudget::kLeastRows);
    EXPECT_LE(static_cast<double>(Ns(answers, rows)), 2.05 * static_cast<double>(Ns(answers, 0)));
    EXPECT_GE(static_cast<double>(Ns(answers, rows)), 1.8 * static_cast<double>(Ns(answers, 0)));
  }
}

// A second's worth of prompts behind the first changes nothing, four seconds' take four times the
// share, and an hour's no more than kMostCrowd times.
TEST(StepBudgetTest, ManyPromptsThatWaitGetMoreOfAStep) {
  StepBudget budget(4096, 2);
  for (int round = 0; round < 50; ++round) {
    budget.Note(16, 0, 0, Ns(16, 0));
    budget.Note(16, 8, 0, Ns(16, 8));
  }
  const auto one = static_cast<double>(budget.PromptRows(16));
  EXPECT_EQ(one, static_cast<double>(budget.PromptRows(16, 2000)));
  EXPECT_NEAR(static_cast<double>(budget.PromptRows(16, 8000)), 4 * one, 4);
  EXPECT_NEAR(static_cast<double>(budget.PromptRows(16, 7'200'000)), StepBudget::kMostCrowd * one,
              StepBudget::kMostCrowd);
}

TEST(StepBudgetTest, PromptsAlwaysGetOn) {
  StepBudget budget(512, 1.01);
  budget.Note(1, 0, 0, Ns(1, 0));
  budget.Note(1, 8, 0, Ns(1, 8));
  EXPECT_EQ(budget.PromptRows(1), StepBudget::kLeastRows);
}

TEST(StepBudgetTest, AChunkNeverExceedsTheStep) {
  EXPECT_EQ(StepBudget(16, 2).PromptRows(12), 4);
  EXPECT_EQ(StepBudget(16, 2).PromptRows(16), 0);
}

// A neighbour on the machine makes one step a hundred times as long: the budget hardly moves.
TEST(StepBudgetTest, OneSlowStepIsNotBelieved) {
  StepBudget budget(512, 2);
  for (int i = 0; i < 50; ++i) budget.Note(1, 0, 0, Ns(1, 0));
  const double before = budget.AnswerNs(1);
  budget.Note(1, 0, 0, 100 * Ns(1, 0));
  EXPECT_LT(budget.AnswerNs(1), 1.3 * before);
}

// Prompts follow one another without a pause while the answers become longer.
TEST(StepBudgetTest, AnswersThatGrowAreNoticedWhilePromptsNeverPause) {
  StepBudget budget(512, 2);
  budget.Note(0, 300, 0, Ns(0, 300));
  int without = 0;
  for (int step = 0; step < 2000; ++step) {
    const std::int64_t rows = budget.PromptRows(8);
    const auto answers = static_cast<double>(Ns(8, 0)) * (1 + 0.002 * step);
    const double took = answers + static_cast<double>(Ns(0, rows));
    budget.Note(8, rows, 0, static_cast<std::int64_t>(took));
    without += rows == 0 ? 1 : 0;
    if (step < 200 || rows == 0) continue;
    ASSERT_LE(took, 2.1 * answers) << step;
    ASSERT_GE(took, 1.6 * answers) << step;
  }
  EXPECT_LE(without, 2000 / (StepBudget::kAloneEvery + 1) + 1);
}

// Proposals in the step that shall show the answers alone must not keep prompts out for ever.
TEST(StepBudgetTest, PromptsGetOnWhereEveryStepHasProposals) {
  StepBudget budget(512, 2);
  std::int64_t rows = 0;
  for (int step = 0; step < 100; ++step) {
    const std::int64_t prompts = budget.PromptRows(4);
    rows += prompts;
    budget.Note(6, prompts, 2, Ns(6, prompts));
  }
  EXPECT_GE(rows, 40 * StepBudget::kLeastRows);
}

TEST(StepBudgetTest, ProposalsAreCountedApart) {
  StepBudget budget(512, 2);
  EXPECT_EQ(budget.ProposalNs(4), 0);
  budget.Note(0, 100, 0, 40'000'000);
  EXPECT_NEAR(budget.ProposalNs(4), 4 * 400'000, 4);
  for (int i = 0; i < 50; ++i) {
    budget.Note(1, 0, 0, 3'000'000);
    budget.Note(1, 0, 4, 5'800'000);
  }
  EXPECT_NEAR(budget.ProposalNs(4), 4 * 700'000, 4000);
  EXPECT_NEAR(budget.AnswerNs(1), 3'000'000, 1000);
}

// Far into a text a second row may cost as much as a step, and eight more hardly anything.
TEST(StepBudgetTest, ProposalsAreLearnedByTheirNumber) {
  StepBudget budget(512, 2);
  for (int i = 0; i < 50; ++i) {
    budget.Note(1, 0, 0, 3'000'000);
    budget.Note(2, 0, 1, 5'000'000);
    budget.Note(9, 0, 8, 7'000'000);
  }
  EXPECT_NEAR(budget.ProposalNs(1), 2'000'000, 1000);
  EXPECT_NEAR(budget.ProposalNs(8), 4'000'000, 8000);
}

TEST(StepBudgetTest, WhereProposalsNeverPauseAStepIsWantedBare) {
  StepBudget budget(512, 2);
  for (int step = 0; step < StepBudget::kBareEvery; ++step) {
    EXPECT_FALSE(budget.WantsBare()) << step;
    budget.Note(2, 0, 1, 5'000'000);
  }
  EXPECT_TRUE(budget.WantsBare());
  budget.Note(1, 8, 0, 5'000'000);
  EXPECT_TRUE(budget.WantsBare());
  budget.Note(1, 0, 0, 5'000'000);
  EXPECT_FALSE(budget.WantsBare());
}

}  // namespace
}  // namespace cairn::engine
