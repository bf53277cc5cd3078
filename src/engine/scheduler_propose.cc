// SPDX-License-Identifier: Apache-2.0
// Proposals: what may come next of each answer, how much of it gets rows, and what that won.
//
// Guesses come from what an answer must say (the names of a schema), from the text or from a draft
// model. Two things decide about rows: the rate that guesses were right lately, against what rows
// were seen to take (AcceptRate::Worth); and a purse, which counts what proposals really won and
// took. Where it is empty nothing is proposed, and a draft model is not even asked.
#include <algorithm>

#include "engine/scheduled_run.h"
#include "engine/scheduler.h"

namespace cairn::engine {
namespace {

constexpr double kLearn = 0.2;  // weight of the newest call of the draft

}  // namespace

// None for a run whose other choices are to begin at its prompt's end: it must not be past it,
// where windowed tiles that they see would be given back. And none of a model with states, which
// cannot be rolled back to before a wrong guess.
std::int64_t Scheduler::RoomToGuess(const Run& run) const {
  if (!run.siblings.empty() || model_.pool().layout().has_states()) return 0;
  return std::clamp<std::int64_t>(model_.context() - run.size() - 1, 0, kMostProposed);
}

void Scheduler::MakeGuesses(std::span<Run* const> answers) {
  draft_step_ns_ = 0;
  bool prompts = false;
  for (const auto& [key, run] : running_) prompts = prompts || run->prefilling();
  prompts = prompts && budget_.PromptRows(answer_rows_) > 0;
  bare_ = budget_.WantsBare() && !prompts && !options_.propose_always;
  for (Run* run : answers) {
    run->guess.clear();
    run->guess_expected = false;
  }
  const std::int64_t room = model_.step_rows() - answer_rows_;
  if (room <= 0 || (!options_.draft && !options_.propose)) return;
  std::vector<Run*> open;  // that may say more than one thing next
  for (Run* run : answers) {
    const auto most = static_cast<int>(std::min<std::int64_t>(RoomToGuess(*run), room));
    if (most > 0) run->guess = run->chooser->ExpectedTokens(most);
    run->guess_expected = !run->guess.empty();
    if (!run->guess_expected) open.push_back(run);
  }
  if (options_.draft) {
    AskDraft(open, room);
    return;
  }
  for (Run* run : open) {
    const auto guess = ProposeFromText(
        run->tokens, static_cast<int>(std::min<std::int64_t>(RoomToGuess(*run), room)));
    run->guess.assign(guess.begin(), guess.end());
  }
}

Guesser& Scheduler::GuesserOf(Run& run) {
  if (run.guess_expected) return run.expected;
  return options_.draft ? draft_ : run.from_text;
}

// For each of so many answers.
std::int64_t Scheduler::GuessesToAsk(std::size_t answers) const {
  if (options_.propose_always) return kMostProposed;
  if (bare_ || !draft_.purse.open()) return 0;
  const auto count = static_cast<int>(answers);
  const double token_ns = budget_.AnswerNs(count) / count;
  if (token_ns == 0) return 0;
  const int worth = draft_.rate.Worth(token_ns, kMostProposed, [&](int guesses) {
    return budget_.ProposalNs(guesses * count) / count + guesses * draft_token_ns_;
  });
  return std::max(worth, 1);  // the purse pays for finding out whether it has become worth it
}

void Scheduler::AskDraft(std::span<Run* const> answers, std::int64_t room) {
  if (answers.empty()) return;
  const std::int64_t wanted = GuessesToAsk(answers.size());
  if (wanted == 0) return;
  std::vector<Draft::Text> texts;
  for (Run* run : answers) {
    texts.push_back({.id = run->key.number,
                     .tokens = run->tokens,
                     .space = run->request->space,
                     .use_cache = run->request->use_cache,
                     .most = static_cast<int>(std::min({wanted, RoomToGuess(*run), room})),
                     .guess = &run->guess});
  }
  const std::int64_t before = options_.clock->NowNs();
  options_.draft->Guess(texts);
  draft_step_ns_ = options_.clock->NowNs() - before;
  counters_.draft_ns += draft_step_ns_;
  std::size_t guesses = 0;
  for (const Run* run : answers) guesses += run->guess.size();
  if (guesses == 0) return;
  const double seen = static_cast<double>(draft_step_ns_) / static_cast<double>(guesses);
  draft_token_ns_ += (draft_token_ns_ == 0 ? 1 : kLearn) * (seen - draft_token_ns_);
}

int Scheduler::RowsToPropose(Run& run) {
  const std::int64_t room = model_.step_rows() - answer_rows_ - proposed_rows_;
  const auto most = static_cast<int>(std::min<std::int64_t>(std::ssize(run.guess), room));
  if (most <= 0 || bare_) return 0;
  if (options_.propose_always) return most;
  if (!GuesserOf(run).purse.open()) return 0;
  const double step_ns = budget_.AnswerNs(answer_rows_);
  if (step_ns == 0 || budget_.ProposalNs(1) == 0) return 0;
  // What it adds to those that are there: its share, since rows of a step share their costs.
  const auto before = static_cast<int>(proposed_rows_);
  const auto cost_ns = [&](int rows) {
    return budget_.ProposalNs(before + rows) * rows / (before + rows);
  };
  return GuesserOf(run).rate.Worth(step_ns / answer_rows_, most, cost_ns);
}

// Puts what the step's proposals won and took into the purses, in tokens.
void Scheduler::SettleProposals(std::int64_t took_ns) {
  const double step_ns = budget_.AnswerNs(answer_rows_);
  if (step_ns == 0) return;
  const double token_ns = step_ns / answer_rows_;
  const auto rows = static_cast<double>(proposed_rows_);
  double cost_ns = 0;
  if (proposed_rows_ > 0) {
    cost_ns = prompt_rows_ > 0 ? budget_.ProposalNs(static_cast<int>(proposed_rows_))
                               : static_cast<double>(took_ns) - step_ns;
    // Where something else held the step up, that is not the proposals' doing.
    cost_ns = std::clamp(cost_ns, 0.0, rows * step_ns);
  }
  double draft_won = 0, draft_cost_ns = static_cast<double>(draft_step_ns_);
  for (int i = 0; i < answer_rows_; ++i) {
    Run& run = *entry_runs_[static_cast<std::size_t>(i)];
    const double share = rows > 0 ? static_cast<double>(run.proposed) / rows * cost_ns : 0;
    Guesser& guesser = GuesserOf(run);
    if (&guesser != &draft_) {
      guesser.purse.Settle(run.won, share / token_ns, 1);
    } else {
      draft_won += run.won;
      draft_cost_ns += share;
    }
  }
  draft_.purse.Settle(draft_won, draft_cost_ns / token_ns, answer_rows_);
}

void Scheduler::ForgetDraft(const Run& run) {
  if (options_.draft) options_.draft->Forget(run.key.number);
}

}  // namespace cairn::engine
