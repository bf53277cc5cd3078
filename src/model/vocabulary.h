// SPDX-License-Identifier: Apache-2.0
// What a file says about its tokenizer, checked.
// Threads: a plain value. Texts are views into the file, which must outlive them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/gguf.h"

namespace cairn::model {

enum class TokenizerKind {
  kByteBpe,        // GGUF "gpt2": byte-level BPE with ranked merges
  kSentencePiece,  // GGUF "llama": BPE by scores, byte fall-back, spaces as U+2581
  kPieceBpe,       // GGUF "gemma4": ranked merges, byte fall-back, spaces as U+2581
  kUnigram,        // GGUF "t5": the best sum of scores (unigram.h)
  kRwkv,           // GGUF "rwkv": the longest token (rwkv_words.h)
  kPlamo2,         // GGUF "plamo2": the best sum of scores from the end (plamo_pieces.h)
  kWordPiece,      // GGUF "bert": words, then the longest tokens (word_piece.h)
};

// Whether tokens are spelled with U+2581 for spaces.
constexpr bool HasSpaceMarks(TokenizerKind kind) {
  return kind == TokenizerKind::kSentencePiece || kind == TokenizerKind::kPieceBpe ||
         kind == TokenizerKind::kUnigram || kind == TokenizerKind::kWordPiece;
}

struct TokenizerKindName {
  TokenizerKind kind{};
  std::string_view name;   // 'tokenizer.ggml.model'
  std::string_view about;  // a few words
};
// Every kind that is supported, one row each.
std::span<const TokenizerKindName> TokenizerKinds();

// Numbers of the file format; never renumbered.
enum class TokenType : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

inline constexpr std::size_t kMostTokens = 1 << 24;
inline constexpr std::size_t kMostTokenBytes = 1 << 16;

struct Vocabulary {
  TokenizerKind kind{};
  std::string pre;                       // name of the pre-tokenizer; kByteBpe and kPieceBpe
  std::vector<std::string_view> tokens;  // by id
  std::vector<float> scores;             // kSentencePiece, kUnigram, kPlamo2
  std::vector<TokenType> types;
  std::vector<std::string_view> merges;  // "left right", most important first; BPE kinds only
  std::span<const std::byte> char_map;   // kUnigram: compiled normalisation (char_map.h)
  std::optional<std::int32_t> bos, eos, eot, eom, unknown;
  // Special tokens that take the white space before or after them along; sorted.
  std::vector<std::int32_t> strip_before, strip_after;
  bool add_bos = false;              // before a prompt
  bool add_eos = false;              // after a prompt
  bool add_space_prefix = false;     // kSentencePiece, kUnigram: a space before the text
  bool remove_extra_spaces = false;  // kUnigram: of spaces in a row one, at the ends none
  bool whole_words = false;  // BPE kinds: a word that is a token is not merged ("ignore_merges")
  bool lower_case = false;   // kWordPiece: text is lower-cased and loses its accents
};

// `force_pre`: this pre-tokenizer in place of the one that the file names; empty: the file's.
// Errors: kCorrupt, naming the field; kUnsupported for another kind of tokenizer, and for a
// byte-level vocabulary whose pre-tokenizer is not known or not named, saying how to force one.
[[nodiscard]] Result<Vocabulary> ReadVocabulary(const Gguf& gguf, std::string_view force_pre = {});

}  // namespace cairn::model
