// SPDX-License-Identifier: Apache-2.0
#include "engine/step_budget.h"

#include <algorithm>
#include <bit>

namespace cairn::engine {
namespace {

constexpr double kLearn = 0.2;  // weight of the newest step

// One slow step on a shared machine moves what was learned by no more than kLearn of itself.
void Learn(double& known, double seen) {
  known = known == 0 ? seen : known + kLearn * (std::min(seen, 2 * known) - known);
}

}  // namespace

int StepBudget::ClassOf(int rows) {
  return std::min<int>(16, std::bit_width(static_cast<unsigned>(std::max(rows, 1) - 1)));
}

double StepBudget::Nearest(const ByClass& known, int rows) {
  const auto wanted = static_cast<std::size_t>(ClassOf(rows));
  for (std::size_t c = wanted + 1; c-- > 0;) {
    if (known[c] > 0) return known[c];
  }
  for (std::size_t c = wanted + 1; c < known.size(); ++c) {
    if (known[c] > 0) return known[c];
  }
  return 0;
}

double StepBudget::AnswerNs(int answer_rows) const {
  return answer_rows == 0 ? 0 : Nearest(answer_ns_, answer_rows);
}

double StepBudget::ProposalNs(int rows) const {
  const double row_ns = Nearest(proposal_row_ns_, rows);
  return rows * (row_ns > 0 ? row_ns : prompt_row_ns_);
}

std::int64_t StepBudget::PromptRows(int answer_rows, std::int64_t behind) const {
  const std::int64_t room = std::max(most_rows_ - answer_rows, 0);
  if (answer_rows == 0) return room;
  const bool known = answer_ns_[static_cast<std::size_t>(ClassOf(answer_rows))] > 0;
  if (since_alone_ >= (known ? kAloneEvery : kAloneEvery / 4)) return 0;
  const double step = AnswerNs(answer_rows);
  const double crowd = static_cast<double>(behind) * prompt_row_ns_ / kCrowdNs;
  const double spare = (pace_ - 1) * step * std::clamp(crowd, 1.0, kMostCrowd);
  std::int64_t rows = kFirstRows;
  if (step > 0 && prompt_row_ns_ > 0) {
    rows = static_cast<std::int64_t>(std::min(spare / prompt_row_ns_, 1e6));
  }
  return std::min(std::max(rows, kLeastRows), room);
}

void StepBudget::Note(int answer_rows, std::int64_t prompt_rows, std::int64_t proposed_rows,
                      std::int64_t ns) {
  const auto time = static_cast<double>(ns);
  if (answer_rows > 0) {
    since_alone_ = prompt_rows == 0 ? 0 : since_alone_ + 1;
    since_bare_ = prompt_rows == 0 && proposed_rows == 0 ? 0 : since_bare_ + 1;
  }
  if (prompt_rows == 0 && proposed_rows == 0) {
    if (answer_rows > 0) Learn(answer_ns_[static_cast<std::size_t>(ClassOf(answer_rows))], time);
    return;
  }
  const double answers = AnswerNs(answer_rows);
  if (answer_rows > 0 && answers == 0) return;
  // A step of both kinds teaches about prompts only.
  const auto proposed = static_cast<int>(proposed_rows);
  const double rest =
      std::max(time - answers - (prompt_rows > 0 ? ProposalNs(proposed) : 0.0), 0.0);
  if (rest == 0) return;
  if (prompt_rows > 0) {
    Learn(prompt_row_ns_, rest / static_cast<double>(prompt_rows));
  } else {
    Learn(proposal_row_ns_[static_cast<std::size_t>(ClassOf(proposed))], rest / proposed);
  }
}

}  // namespace cairn::engine
