// SPDX-License-Identifier: Apache-2.0
// A model that guesses what the answers of another one will say.
//
// A draft has the vocabulary of the model whose answers it guesses, and a sequence of its own for
// each text, which follows that text wherever it goes: before a guess it drops what the text does
// not begin with any more (wrong guesses, say) and computes what is new to it. So it is told of no
// commits and no roll-backs. Guesses change no answer: the scheduler keeps what the sampler chooses
// from the logits of the model itself. So nothing here fails a request: where the draft's context
// or KV memory is full, a text has no guess.
//
// Threads: the scheduler's. Owns: its sequences and a prefix cache in the pool of its model, which
// it shares.
// Cost: a row of its model for each token that is new to it and each that it says; texts share
// steps.
// Source: systems/13 for propose and commit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/step_model.h"
#include "kernels/kernels.h"
#include "kv/prefix_cache.h"
#include "model/tokenizer.h"

namespace cairn::engine {

// kInvalidArgument, naming the first difference, where ids do not mean the same tokens in both.
[[nodiscard]] Result<void> CheckSameVocabulary(const model::Tokenizer& draft,
                                               const model::Tokenizer& other);

struct DraftOptions {
  int vocabulary = 0;  // tokens that both models have: so many logits are looked at
  // Tokens of texts that one call of Guess computes at most, so that long prompts of some do not
  // hold up the answers of others; the rest comes with the next calls.
  std::int64_t catch_up_rows = 128;
  std::uint64_t cache_secret = 0;  // as SchedulerOptions'
};

struct DraftCounters {
  std::int64_t steps = 0, guessed = 0;
  std::int64_t caught_up = 0;  // rows of tokens that it did not say itself
  std::int64_t dropped = 0;    // sequences, for want of memory or because of a failure
};

class Draft {
 public:
  Draft(std::shared_ptr<StepModel> model, const DraftOptions& options);

  struct Text {
    std::uint64_t id = 0;  // the same for the same text from call to call
    std::span<const std::int32_t> tokens;
    kv::CacheSpace space = 0;
    bool use_cache = true;
    int most = 0;                                // tokens to guess
    std::vector<std::int32_t>* guess = nullptr;  // out: the likeliest next token, again and again
  };
  // Fills the guesses of texts, each with an id of its own; some may stay empty.
  void Guess(std::span<const Text> texts);

  // Lets go of a text's keys and values; they stay in the cache while there is room.
  void Forget(std::uint64_t id);

  const DraftCounters& counters() const { return counters_; }
  StepModel& model() { return *model_; }

 private:
  struct Follower {
    Sequence sequence;
    std::int64_t text_size = 0;  // tokens of the text when it was looked at last
    std::int64_t published_tiles = 0;
    kv::CacheSpace space = 0;
    bool use_cache = true;
  };
  // A text and what follows it, in one call of Guess.
  struct Turn {
    const Text* text = nullptr;
    Follower* follower = nullptr;
    bool aside = false;              // no further rows in this call
    std::vector<std::int32_t> rows;  // of the step that is being made
    // Tokens whose logits lead to the next guess, or that come before them.
    std::int64_t missing() const {
      return std::ssize(text->tokens) + std::ssize(*text->guess) - follower->sequence.size();
    }
    bool wants() const { return !aside && std::ssize(*text->guess) < text->most; }
  };

  Follower* Follow(const Text& text);
  void TakeCached(const Text& text, Follower& follower);
  void TakeRows(Turn& turn, std::int64_t rows);
  void Step(std::span<Turn*> turns);
  void Publish(Turn& turn);
  void Drop(Turn& turn);

  std::shared_ptr<StepModel> model_;
  DraftOptions options_;
  const kernels::Kernels& kernels_;
  kv::PrefixCache cache_;
  std::map<std::uint64_t, Follower> followers_;
  DraftCounters counters_;
  std::vector<StepEntry> entries_;
};

}  // namespace cairn::engine
