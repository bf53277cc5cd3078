// SPDX-License-Identifier: Apache-2.0
// What BERT's basic tokenizer does with a character: control characters go, every white space is a
// space, ideographs and punctuation are words of their own; uncased models see letters without
// accents and in lower case (canonical decomposition, non-spacing marks dropped).
//
// Which character is what follows the tables of the Rust library `tokenizers`, with which such
// models come.
// Threads: pure functions over constant tables, a few binary searches each; ASCII needs none.
#pragma once

#include <array>
#include <cstdint>

namespace cairn::model {

enum class BertCharacter : std::uint8_t { kText, kRemoved, kSpace, kIdeograph, kPunctuation };
// A character of text (after folding, for punctuation).
BertCharacter ClassOf(std::uint32_t character);

// A character without accents, in lower case: at most three. `count` 0: it was a mark.
struct Folded {
  std::array<std::uint32_t, 3> characters{};
  int count = 0;
};
Folded FoldForBert(std::uint32_t character);

}  // namespace cairn::model
