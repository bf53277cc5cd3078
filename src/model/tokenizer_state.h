// SPDX-License-Identifier: Apache-2.0
// What a tokenizer holds. Private to tokenizer*.cc.
// Threads: immutable once Create has filled it.
// Owns: its tables; texts of tokens are views into the file, of special tokens with spaces into
//   marked_texts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/merge_rules.h"
#include "model/plamo_pieces.h"
#include "model/pre_tokenizer.h"
#include "model/rwkv_words.h"
#include "model/token_table.h"
#include "model/tokenizer.h"
#include "model/unigram.h"
#include "model/vocabulary.h"
#include "model/word_piece.h"

namespace cairn::model {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Appends the text with spaces as marks, the way SentencePiece vocabularies spell them.
void AppendMarked(std::string_view text, std::string& out);
// "<0x41>" is byte 0x41; -1 for what is not of this form.
int ByteOfPiece(std::string_view text);

struct Tokenizer::State {
  State(Vocabulary vocabulary, const std::vector<bool>& mergeable)
      : v(std::move(vocabulary)), table(v.tokens, mergeable) {}

  Vocabulary v;
  TokenTable table;  // what merging may find
  SpecialMatcher user_defined;
  SpecialMatcher control;
  std::vector<std::string> marked_texts;        // of special tokens with spaces; kinds with marks
  std::vector<bool> ends;                       // by id
  std::vector<std::int32_t> tool_marks;         // control tokens that are written; ascending
  std::array<std::int32_t, 256> byte_tokens{};  // -1: none
  std::optional<PreTokenizer> pre;              // kByteBpe
  std::optional<RankedRules> ranked;            // BPE kinds
  std::optional<Unigram> unigram;               // kUnigram
  std::optional<RwkvWords> rwkv;                // kRwkv
  std::optional<PlamoPieces> plamo;             // kPlamo2
  std::array<std::string, 256> byte_spelling;   // kByteBpe
  std::array<std::int16_t, 512> byte_of_character{};  // kByteBpe; -1: none
  std::optional<WordPiece> words;                     // kWordPiece
  bool byte_fallback = false;                         // kinds of pieces: every byte has a token
  std::vector<std::string_view> before_marks;         // kinds with space marks; sorted
  std::size_t longest = 0;                            // bytes of a token

  [[nodiscard]] Result<void> AddSpecials();
  [[nodiscard]] Result<void> AddBytes();
  void AppendText(std::int32_t id, bool with_special, std::string& out) const;
};

}  // namespace cairn::model
