// SPDX-License-Identifier: Apache-2.0
// One text's tokens with their keys and values, and its rows in a step.
// Threads: the engine's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "kv/sequence_tiles.h"

namespace cairn::engine {

// The pool must outlive its sequences.
class Sequence {
 public:
  explicit Sequence(kv::KvPool& pool) : tiles_(pool) {}

  // Tokens whose keys and values are stored: positions 0 .. size()-1.
  std::span<const std::int32_t> tokens() const { return tokens_; }
  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }

  // Drops everything from position `size` on. Requires size <= this->size() and
  // tiles().UsableSize(size) == size.
  void Truncate(std::int64_t size);

  // The tiles for positions [size(), size() + tokens.size()) are written.
  void Append(std::span<const std::int32_t> tokens);
  // An empty sequence whose tiles were filled for exactly these positions now has these tokens.
  void Adopt(std::span<const std::int32_t> tokens);

  kv::SequenceTiles& tiles() { return tiles_; }

 private:
  std::vector<std::int32_t> tokens_;
  kv::SequenceTiles tiles_;
};

// Rows of one sequence in a step: `tokens` are appended, logits are wanted for the last `sampled`.
struct StepEntry {
  Sequence* sequence = nullptr;
  std::span<const std::int32_t> tokens;
  int sampled = 0;
  // Tokens before the second text of a pair, for models that tell the two apart; -1: there is none.
  int second = -1;
  // Set by Step where this entry alone failed (kNumeric, naming the layer): its sequence has not
  // grown and logits that were handed out before mean nothing; other entries are not touched by it.
  std::optional<Error> failure;
};

// Receives the logits of one sampled row (or what else the program yields): which entry, which row
// of the entry (0-based), and Program::width() finite values, valid during the call. Rows of an
// entry come in their order. Called on the caller's thread; not called for a row whose logits are
// not finite, which fails its entry.
using LogitsSink = std::function<void(int entry, int row, std::span<const float> logits)>;

}  // namespace cairn::engine
