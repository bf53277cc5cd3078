// SPDX-License-Identifier: Apache-2.0
// SentencePiece's compiled normalisation ('tokenizer.ggml.precompiled_charsmap'): which sequences
// of bytes are replaced by which, as a double-array trie and a block of replacements. Threads:
// immutable. Owns: the trie; replacements are views into the file, which must outlive it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::model {

class CharMap {
 public:
  CharMap() = default;  // replaces nothing
  // Errors: kCorrupt for lengths that contradict each other. What the trie says is checked while it
  // is walked: an index outside it matches nothing.
  [[nodiscard]] static Result<CharMap> Create(std::span<const std::byte> compiled);

  struct Match {
    std::size_t bytes = 0;  // of the text; 0: nothing is replaced here
    std::string_view replacement;
  };
  // The longest sequence at the beginning of `text` that is replaced.
  Match Longest(std::string_view text) const;
  bool empty() const { return units_.empty(); }

 private:
  std::vector<std::uint32_t> units_;
  std::string_view replacements_;  // each ends with a zero byte
};

}  // namespace cairn::model
