// SPDX-License-Identifier: Apache-2.0
// WordPiece, the tokenizer of BERT: a text becomes words (bert_characters.h), a word the longest
// tokens from left to right. A word that cannot be spelled, or that has more than 100 characters,
// is one unknown token.
//
// GGUF files spell tokens that begin a word with U+2581 before them and others without the ## of
// BERT's own vocabularies.
// Threads: const members from any thread. Borrows the vocabulary and the table.
// Cost: linear in the text; a word of n characters takes at most n times as many look-ups as the
// longest token has characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/token_table.h"
#include "model/vocabulary.h"

namespace cairn::model {

class WordPiece {
 public:
  // `longest`: bytes of the longest token. The vocabulary must have an unknown token.
  WordPiece(const Vocabulary& vocabulary, const TokenTable& table, std::size_t longest)
      : vocabulary_(vocabulary), table_(table), longest_(longest) {}

  // Appends the ids of a text, which must be well-formed UTF-8.
  void Encode(std::string_view text, std::vector<std::int32_t>& out) const;

 private:
  struct Word;
  void Add(std::uint32_t character, Word& word, std::vector<std::int32_t>& out) const;
  void End(Word& word, std::vector<std::int32_t>& out) const;

  const Vocabulary& vocabulary_;
  const TokenTable& table_;
  std::size_t longest_;
};

}  // namespace cairn::model
