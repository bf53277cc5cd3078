// SPDX-License-Identifier: Apache-2.0
// Texts to embeddings, and pairs of texts to scores.
//
// A text's rows all come in one step; a step takes texts of any lengths side by side, without
// padding. What a text becomes follows docs/canonical.md and so depends on nothing but the text and
// the model: not on its company, the order, the threads or the instruction set.
//
// Threads: as Engine. Owns: an engine, whose keys and values (f32) hold the texts of one step.
// Cost: a step's buffers for `most_tokens` rows; time as prefill.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace cairn::engine {

struct EmbedderOptions {
  int threads = 0;                  // as EngineOptions
  std::optional<kernels::Isa> isa;  // as EngineOptions
  bool pinned = false;              // as EngineOptions
  // Most tokens of a text, those that the model adds included. 0: what the model was trained for,
  // but at most kMostDefaultTokens.
  std::int64_t most_tokens = 0;
};
inline constexpr std::int64_t kMostDefaultTokens = 8192;
inline constexpr std::int64_t kMostStepRows = 65536;  // of Engine

// A text, or a pair of them, as tokens.
struct EmbedInput {
  std::vector<std::int32_t> tokens;
  int second = -1;  // tokens before the second text of a pair; -1: there is none
};

// Receives an embedding or the scores of a pair: of which input, which of its rows (0 unless the
// pooling is none), and Embedder::width() values, valid during the call. Called on the caller's
// thread; inputs come in no order.
using EmbeddingSink = std::function<void(int input, int row, std::span<const float> values)>;

// Hears between two steps, on the caller's thread, how many inputs are done. False: stop here.
using EmbedProgress = std::function<bool(std::size_t done)>;

class Embedder {
 public:
  // `model` must have been loaded for embeddings (model::ProgramUse). Errors: as Engine::Create.
  [[nodiscard]] static Result<std::unique_ptr<Embedder>> Create(
      std::shared_ptr<const model::Model> model, const EmbedderOptions& options);
  ~Embedder();

  const model::Model& model() const { return engine_->model(); }
  Engine& engine() { return *engine_; }
  std::int64_t most_tokens() const { return most_tokens_; }
  int width() const { return model().program().width(); }
  // Whether it scores pairs (a cross-encoder) instead of embedding texts.
  bool scores() const { return model().program().output == program::Output::kScores; }

  // A text with the tokens that the model puts around it. Too long a text is cut at its end where
  // `truncate`. Errors: kLimit (more than most_tokens(), with both numbers), kInvalidArgument (no
  // tokens at all), as Tokenizer::Encode.
  [[nodiscard]] Result<EmbedInput> Encode(std::string_view text, bool truncate) const;
  // A query and a document as one input of a cross-encoder; the document is cut, and the query is
  // not. Errors: as Encode.
  [[nodiscard]] Result<EmbedInput> EncodePair(std::string_view query, std::string_view document,
                                              bool truncate) const;

  // Whether it can be run. Errors: kInvalidArgument (no tokens, or one that is not in the
  // vocabulary), kLimit (more than most_tokens()).
  [[nodiscard]] Result<void> Check(const EmbedInput& input) const;

  // Rows as the model makes them, not normalised. Errors: those of Check; kNumeric, naming the
  // input; kOutOfMemory; kCancelled, also where `progress` says so.
  [[nodiscard]] Result<void> Run(std::span<const EmbedInput> inputs, const EmbeddingSink& sink,
                                 std::stop_token stop = {}, const EmbedProgress& progress = {});

  // Scales values to a Euclidean length of 1 (docs/canonical.md, section 11).
  void Normalise(std::span<float> values) const;

 private:
  Embedder(std::unique_ptr<Engine> engine, std::int64_t most_tokens, std::size_t most_tiles);

  // Takes inputs from the front of `left` while they fit a step; returns how many.
  std::size_t FillStep(std::span<const EmbedInput> inputs, std::span<const int> left);
  [[nodiscard]] Result<void> RunStep(std::span<const int> chosen, const EmbeddingSink& sink,
                                     std::stop_token stop);

  std::unique_ptr<Engine> engine_;
  std::int64_t most_tokens_;
  std::size_t most_tiles_;  // of keys and values that a step may take
  // Of the current step.
  std::vector<Sequence> sequences_;
  std::vector<StepEntry> entries_;
};

}  // namespace cairn::engine
