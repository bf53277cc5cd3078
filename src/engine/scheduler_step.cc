// SPDX-License-Identifier: Apache-2.0
// A step: who gets rows, who gives way, and what the logits decide.
#include <algorithm>

#include "base/check.h"
#include "engine/scheduled_run.h"
#include "engine/scheduler.h"
#include "kernels/kernels.h"

namespace cairn::engine {

bool Scheduler::Step(std::stop_token stop) {
  ObeyCancels();
  ObeyDeadlines();
  ObeyStreams();
  FailIdleStreams();
  if (options_.preempt_every > 0 && !running_.empty() && running_.rbegin()->second->pending() > 0 &&
      counters_.steps % options_.preempt_every == options_.preempt_every - 1) {
    Preempt(*running_.rbegin()->second);
  }
  Admit();
  if (running_.empty()) return false;
  const auto changes = [this] { return counters_.preempted + counters_.finished; };
  const std::int64_t before = changes();
  Compose();
  if (!entries_.empty()) Execute(stop);
  // Without rows for anybody there may still be some for others in the next step.
  return !entries_.empty() || changes() != before;
}

// --- rows -----------------------------------------------------------------------------------

void Scheduler::Compose() {
  entries_.clear();
  entry_runs_.clear();
  answer_rows_ = 0;
  prompt_rows_ = 0;
  proposed_rows_ = 0;
  AddAnswers();
  AddPrompts();
}

// One row for each answer, and what is proposed behind it.
void Scheduler::AddAnswers() {
  std::vector<Run*> answers;
  for (const auto& [key, run] : running_) {
    if (run->answering()) answers.push_back(run);
  }
  answer_rows_ = static_cast<int>(answers.size());
  MakeGuesses(answers);
  for (Run* run : answers) {
    if (!run->sequence) continue;  // gave way to one before it
    Add(*run, 1 + RowsToPropose(*run));
  }
  answer_rows_ = static_cast<int>(entries_.size());
}

void Scheduler::AddPrompts() {
  std::vector<Run*> prompts;
  std::int64_t behind = 0;  // rows of all but the first
  for (const auto& [key, run] : running_) {
    if (!run->prefilling()) continue;
    if (!prompts.empty()) behind += run->pending();
    prompts.push_back(run);
  }
  std::int64_t rows = budget_.PromptRows(answer_rows_, behind);
  rows = std::min(rows, model_.step_rows() - answer_rows_ - proposed_rows_);
  for (Run* run : prompts) {
    if (rows <= 0) return;
    if (!run->sequence) continue;  // gave way to one before it
    run->guess.clear();
    const std::int64_t chunk = std::min(rows, run->pending());
    Add(*run, chunk);
    rows -= chunk;
  }
}

// The run's next rows: of what it has to compute, then of its guess.
void Scheduler::Add(Run& run, std::int64_t rows) {
  rows = Reserve(run, rows);
  if (rows == 0) return;
  const std::int64_t own = std::min(rows, run.pending());
  const bool sampled = !run.stream && own == run.pending();
  run.proposed = static_cast<std::size_t>(rows - own);
  run.right = true;
  run.won = 0;
  run.ended.reset();
  const auto first = run.tokens.begin() + run.size();
  run.rows.assign(first, first + own);
  run.rows.insert(run.rows.end(), run.guess.begin(), run.guess.begin() + (rows - own));
  if (run.prefilling()) prompt_rows_ += own;
  proposed_rows_ += rows - own;
  entries_.push_back({.sequence = &*run.sequence,
                      .tokens = run.rows,
                      .sampled = sampled ? static_cast<int>(1 + run.proposed) : 0,
                      .failure = {}});
  entry_runs_.push_back(&run);
}

// Tiles for the run's next rows, or for as many as the memory holds when the run has all of it.
// Where the memory is full, runs behind it give way, then it does. 0: it has no rows in this step.
std::int64_t Scheduler::Reserve(Run& run, std::int64_t rows) {
  const std::int64_t size = run.size();
  while (!run.sequence->tiles().Grow(size, size + rows)) {
    run.sequence->tiles().Shrink(size);
    if (Run* victim = Victim(run)) {
      Preempt(*victim);
    } else if (running_.size() > 1) {
      Preempt(run);
      return 0;
    } else if (rows > 1) {
      rows /= 2;
    } else {
      EndRun(run, Ended::kContext);
      return 0;
    }
  }
  return rows;
}

// The last run behind `keep` in the order; not one that has rows in this step already.
Scheduler::Run* Scheduler::Victim(const Run& keep) const {
  for (auto it = running_.rbegin(); it != running_.rend() && it->first > keep.key; ++it) {
    if (std::ranges::find(entry_runs_, it->second) == entry_runs_.end()) return it->second;
  }
  return nullptr;
}

// --- results --------------------------------------------------------------------------------

void Scheduler::Execute(std::stop_token stop) {
  const std::int64_t before = options_.clock->NowNs();
  const auto done = model_.Step(
      entries_,
      [this](int entry, int row, std::span<const float> logits) {
        TakeLogits(*entry_runs_[static_cast<std::size_t>(entry)], row, logits);
      },
      stop);
  const std::int64_t took = options_.clock->NowNs() - before;
  counters_.model_ns += took;
  if (!done && done.error().code == ErrorCode::kCancelled) {
    // Nothing has grown. What was chosen before the step was stopped stays chosen.
    for (Run* run : entry_runs_) StartSiblings(*run);
    return;
  }
  ++counters_.steps;
  counters_.answer_rows += answer_rows_;
  counters_.prompt_rows += prompt_rows_;
  counters_.proposed += proposed_rows_;
  SettleProposals(took);
  budget_.Note(answer_rows_, prompt_rows_, proposed_rows_, took);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!done) entries_[i].failure = done.error();
    Commit(entries_[i], *entry_runs_[i]);
  }
}

// Rows come in their order. The first is the last that the run had to compute; each further one is
// of a guess, and means something while all guesses before it were right.
void Scheduler::TakeLogits(Run& run, int row, std::span<const float> logits) {
  if (!run.right) return;
  if (row == 0) {
    run.prompt_size = run.tokens.size();
    for (const auto& sibling : run.siblings) run.sibling_tokens.push_back(sibling->Next(logits));
  }
  const auto next = run.chooser->Next(logits);
  const auto place = static_cast<std::size_t>(row);
  run.right = next && place < run.guess.size() && run.guess[place] == *next;
  if (place < run.guess.size()) {
    GuesserOf(run).rate.Note(run.right);
    ++counters_.guessed;
    counters_.guessed_right += run.right ? 1 : 0;
  }
  run.right = run.right && place < run.proposed;
  if (!next) {
    run.ended = Ended::kByChooser;
    return;
  }
  run.tokens.push_back(*next);
  if (run.right) {
    ++run.won;
    ++counters_.accepted;
  }
  if (static_cast<std::int64_t>(run.tokens.size()) <= model_.context()) return;
  run.ended = Ended::kContext;
  run.right = false;
}

void Scheduler::Commit(StepEntry& entry, Run& run) {
  waiting_.Charge(run.request->tenant, static_cast<std::int64_t>(entry.tokens.size()));
  if (entry.failure) {
    FailRun(run, *entry.failure);
    return;
  }
  // Rows of wrong guesses go; the token that was chosen last has not been computed yet.
  const bool open = entry.sampled > 0 && run.ended != Ended::kByChooser;
  const auto keep = static_cast<std::int64_t>(run.tokens.size()) - (open ? 1 : 0);
  run.sequence->Truncate(std::min(run.size(), keep));
  if (entry.sampled == 0 && run.stream == nullptr) run.chooser->Progress(run.size(), keep);
  Publish(run, false);
  run.sequence->tiles().Release(run.size());
  if (run.stream) run.stream->reached = std::max(run.stream->reached, run.size());
  Settle(run);
  StartSiblings(run);
  if (run.ended) EndRun(run, *run.ended);
}

// The request's other choices go on from the prompt that this run has computed.
void Scheduler::StartSiblings(Run& run) {
  if (run.sibling_tokens.empty()) return;
  ScheduledRequest& request = *run.request;
  const std::span<const std::int32_t> prompt = std::span(run.tokens).first(run.prompt_size);
  const auto size = static_cast<std::int64_t>(prompt.size());
  for (std::size_t i = 0; i < run.siblings.size(); ++i) {
    auto sibling = std::make_unique<Run>();
    sibling->request = &request;
    sibling->chooser = std::move(run.siblings[i]);
    if (!run.sibling_tokens[i]) {
      ++counters_.finished;
      sibling->chooser->End(Ended::kByChooser);
      continue;
    }
    sibling->key = {.time = run.key.time, .number = next_run_++};
    sibling->started = true;
    sibling->tokens.assign(prompt.begin(), prompt.end());
    sibling->tokens.push_back(*run.sibling_tokens[i]);
    if (static_cast<std::int64_t>(sibling->tokens.size()) > model_.context()) {
      ++counters_.finished;
      sibling->chooser->End(Ended::kContext);
      continue;
    }
    request.runs.push_back(sibling.get());
    // After a step that was stopped the prompt is not complete: then they wait for it in the cache.
    if (run.size() >= size && static_cast<int>(running_.size()) < options_.sequences) {
      sibling->sequence.emplace(model_.pool());
      sibling->sequence->tiles().Share(run.sequence->tiles(), size);
      sibling->sequence->Adopt(prompt);
      sibling->published_tiles = run.published_tiles;
      running_.emplace(sibling->key, sibling.get());
    } else {
      waiting_.Push(request.tenant, sibling->key, sibling.get());
      sibling->queued = true;
    }
    runs_.emplace(sibling->key.number, std::move(sibling));
  }
  run.siblings.clear();
  run.sibling_tokens.clear();
}

}  // namespace cairn::engine
