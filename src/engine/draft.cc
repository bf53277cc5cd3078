// SPDX-License-Identifier: Apache-2.0
#include "engine/draft.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/printable.h"

namespace cairn::engine {

Result<void> CheckSameVocabulary(const model::Tokenizer& draft, const model::Tokenizer& other) {
  const std::int32_t both = std::min(draft.size(), other.size());
  for (std::int32_t id = 0; id < both; ++id) {
    if (draft.Piece(id) == other.Piece(id)) continue;
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("a draft model must have the same vocabulary, and token {} is {} in the "
                    "one and {} in the other",
                    id, Printable(draft.Piece(id)), Printable(other.Piece(id))));
  }
  if (draft.size() == other.size()) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("a draft model must have the same vocabulary, and one has {} tokens, the "
                          "other {}",
                          draft.size(), other.size()));
}

Draft::Draft(std::shared_ptr<StepModel> model, const DraftOptions& options)
    : model_(std::move(model)),
      options_(options),
      kernels_(kernels::KernelsFor(kernels::AvailableIsas().back())),
      cache_(model_->pool(), options.cache_secret != 0 ? options.cache_secret : kv::DrawSecret()) {
  CAIRN_CHECK(options.vocabulary > 0 && options.vocabulary <= model_->vocabulary());
}

void Draft::Guess(std::span<const Text> texts) {
  std::vector<Turn> turns;
  for (const Text& text : texts) {
    text.guess->clear();
    if (Follower* follower = Follow(text)) turns.push_back({.text = &text, .follower = follower});
  }
  std::int64_t left = options_.catch_up_rows;
  std::vector<Turn*> picked;
  while (true) {
    picked.clear();
    std::int64_t room = model_->step_rows();
    for (Turn& turn : turns) {
      if (room == 0 || std::ssize(picked) == model_->step_sequences()) break;
      if (!turn.wants()) continue;
      const std::int64_t missing = turn.missing();
      const std::int64_t rows = std::min({missing, 1 + left, room});
      left -= rows - 1;
      turn.aside = rows < missing && left == 0;
      TakeRows(turn, rows);
      if (turn.rows.empty()) continue;
      room -= rows;
      picked.push_back(&turn);
    }
    if (picked.empty()) return;
    Step(picked);
  }
}

// The sequence of a text, cut to what both begin with; null where the context is full.
Draft::Follower* Draft::Follow(const Text& text) {
  const std::int64_t size = std::ssize(text.tokens);
  if (size == 0 || text.most <= 0 || size + text.most > model_->context()) return nullptr;
  const auto known = std::ranges::find_if(
      text.tokens, [this](std::int32_t t) { return t < 0 || t >= model_->vocabulary(); });
  if (known != text.tokens.end()) return nullptr;
  auto [it, fresh] = followers_.try_emplace(text.id, Follower{Sequence(model_->pool())});
  Follower& follower = it->second;
  follower.space = text.space;
  follower.use_cache = text.use_cache;
  follower.text_size = size;
  if (fresh) {
    TakeCached(text, follower);
    return &follower;
  }
  const auto tokens = follower.sequence.tokens();
  const auto parted = std::ranges::mismatch(tokens, text.tokens).in1 - tokens.begin();
  const std::int64_t common = std::min<std::int64_t>(parted, size - 1);
  if (follower.sequence.tiles().UsableSize(common) == common) {
    follower.sequence.Truncate(common);
  } else {
    follower.sequence = Sequence(model_->pool());
    follower.published_tiles = 0;
    TakeCached(text, follower);
  }
  return &follower;
}

void Draft::TakeCached(const Text& text, Follower& follower) {
  if (!text.use_cache) return;
  const std::int64_t found =
      cache_.Take(text.space, text.tokens, std::ssize(text.tokens) - 1, follower.sequence.tiles());
  follower.sequence.Adopt(text.tokens.first(static_cast<std::size_t>(found)));
  follower.published_tiles = found / kernels::kTilePositions;
}

// The next rows of a turn: of its text, then of what it has guessed. None where there is no memory.
void Draft::TakeRows(Turn& turn, std::int64_t rows) {
  Sequence& sequence = turn.follower->sequence;
  const std::int64_t size = sequence.size();
  turn.rows.clear();
  if (!sequence.tiles().Grow(size, size + rows)) {
    Drop(turn);
    return;
  }
  const std::int64_t of_text = std::ssize(turn.text->tokens);
  for (std::int64_t at = size; at < size + rows; ++at) {
    turn.rows.push_back(at < of_text ? turn.text->tokens[static_cast<std::size_t>(at)]
                                     : (*turn.text->guess)[static_cast<std::size_t>(at - of_text)]);
  }
}

void Draft::Step(std::span<Turn*> turns) {
  entries_.clear();
  for (Turn* turn : turns) {
    entries_.push_back({.sequence = &turn->follower->sequence,
                        .tokens = turn->rows,
                        .sampled = std::ssize(turn->rows) == turn->missing() ? 1 : 0,
                        .failure = {}});
  }
  const auto done = model_->Step(entries_,
                                 [&](int entry, int, std::span<const float> logits) {
                                   turns[static_cast<std::size_t>(entry)]->text->guess->push_back(
                                       kernels_.argmax(logits.data(), options_.vocabulary));
                                 },
                                 {});
  ++counters_.steps;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    Turn& turn = *turns[i];
    if (!done || entries_[i].failure) {
      Drop(turn);
      continue;
    }
    counters_.guessed += entries_[i].sampled;
    counters_.caught_up += std::ssize(turn.rows) - 1;
    Publish(turn);
    // The text may be seen again with nothing behind its last token.
    Sequence& sequence = turn.follower->sequence;
    sequence.tiles().Release(std::min(sequence.size(), turn.follower->text_size - 1));
  }
}

// Full tiles of the text itself: its other choices, and later texts, begin with them.
void Draft::Publish(Turn& turn) {
  Follower& follower = *turn.follower;
  if (!follower.use_cache) return;
  const std::int64_t size = std::min(follower.sequence.size(), follower.text_size);
  const std::int64_t tiles = size / kernels::kTilePositions;
  if (tiles <= follower.published_tiles) return;
  const auto whole = static_cast<std::size_t>(tiles * kernels::kTilePositions);
  cache_.Publish(follower.space, follower.sequence.tokens().first(whole), follower.sequence.tiles(),
                 false);
  follower.published_tiles = tiles;
}

void Draft::Drop(Turn& turn) {
  ++counters_.dropped;
  turn.aside = true;
  turn.text->guess->clear();
  followers_.erase(turn.text->id);
}

void Draft::Forget(std::uint64_t id) {
  const auto it = followers_.find(id);
  if (it == followers_.end()) return;
  Follower& follower = it->second;
  Sequence& sequence = follower.sequence;
  // What it guessed last may be wrong.
  const std::int64_t size = std::min(sequence.size(), follower.text_size);
  if (follower.use_cache && sequence.tiles().UsableSize(size) == size) {
    sequence.Truncate(size);
    cache_.Publish(follower.space, sequence.tokens(), sequence.tiles(), true);
  }
  followers_.erase(it);
}

}  // namespace cairn::engine
