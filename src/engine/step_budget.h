// SPDX-License-Identifier: Apache-2.0
// How many rows of prompts a step may take, so that running answers keep their pace.
//
// Learns from the steps themselves: how long one takes that holds answers only, by their number,
// what each row of a prompt adds, and what proposed rows add, by their number. Before anything is
// known a chunk is small. Where prompts never pause, a step in seventeen goes without, and where
// proposals never pause, one in 33: answers become longer, and what they take alone would be taken
// for the others' doing.
//
// The pace holds while prompts come one at a time. Where many wait behind the first, keeping it
// would let them wait for all of the others' answers: the share of prompts grows with the time that
// those behind the first would take, up to kMostCrowd times, until so many answers run that fewer
// wait. Threads: the scheduler's. Cost: a few operations a step.
#pragma once

#include <array>
#include <cstdint>

namespace cairn::engine {

class StepBudget {
 public:
  // `most_rows`: of a step. `pace`: times as long as a step of answers alone, above 1.
  StepBudget(int most_rows, double pace) : most_rows_(most_rows), pace_(pace) {}

  // Rows of prompts beside `answer_rows` rows of answers; none in a step that shall show what the
  // answers take, else at least kLeastRows where the step has room, so that prompts get on. No
  // answers: whatever the step holds. `behind`: rows of prompts that wait behind the first one.
  std::int64_t PromptRows(int answer_rows, std::int64_t behind = 0) const;

  // A step of these rows took `ns`. Of the rows of answers the proposed ones are counted apart.
  void Note(int answer_rows, std::int64_t prompt_rows, std::int64_t proposed_rows, std::int64_t ns);

  // What `rows` proposed rows add to a step of answers, as learned, from rows of prompts until
  // there was a proposal; 0: not known.
  double ProposalNs(int rows) const;

  // A step shall show what the answers take: one without prompts has no proposals either.
  bool WantsBare() const { return since_bare_ >= kBareEvery; }

  // What a row of a prompt adds to a step, as learned; 0: not known.
  double PromptRowNs() const { return prompt_row_ns_; }

  // Time of a step with `answer_rows` rows and no prompts, as learned; 0: not known.
  double AnswerNs(int answer_rows) const;

  static constexpr std::int64_t kLeastRows = 8;
  static constexpr std::int64_t kFirstRows = 32;  // while nothing is known
  static constexpr double kCrowdNs = 1e9;         // of work behind the first prompt: the pace holds
  static constexpr double kMostCrowd = 8;
  static constexpr int kAloneEvery = 16;  // steps with prompts before one without
  static constexpr int kBareEvery = 32;   // steps with either before one with neither

 private:
  // By the power of two at or above the number of rows.
  static int ClassOf(int rows);
  using ByClass = std::array<double, 17>;  // 0: not known
  // Of the nearest class that is known; fewer rows first. 0: none is.
  static double Nearest(const ByClass& known, int rows);
  int most_rows_;
  double pace_;
  ByClass answer_ns_{};        // of a step
  ByClass proposal_row_ns_{};  // of a proposed row, by how many there are
  double prompt_row_ns_ = 0;
  int since_alone_ = 0;  // steps with prompts and answers
  int since_bare_ = 0;   // steps of answers with something beside them
};

}  // namespace cairn::engine
