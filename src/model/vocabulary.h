// SPDX-License-Identifier: Apache-2.0
// What a file says about its tokenizer, checked.
// Threads: a plain value. Texts are views into the file, which must outlive them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/gguf.h"

namespace cairn::model {

enum class TokenizerKind {
  kByteBpe,        // GGUF "gpt2": byte-level BPE with ranked merges
  kSentencePiece,  // GGUF "llama": BPE by scores, byte fall-back, spaces as U+2581
  kWordPiece,      // GGUF "bert": words, then the longest tokens (word_piece.h)
};

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
  std::string pre;                       // name of the pre-tokenizer; kByteBpe only
  std::vector<std::string_view> tokens;  // by id
  std::vector<float> scores;             // kSentencePiece only
  std::vector<TokenType> types;
  std::vector<std::string_view> merges;  // "left right", most important first; kByteBpe only
  std::optional<std::int32_t> bos, eos, eot, unknown;
  bool add_bos = false;           // before a prompt
  bool add_eos = false;           // after a prompt
  bool add_space_prefix = false;  // kSentencePiece: a space before the text
  bool lower_case = false;        // kWordPiece: text is lower-cased and loses its accents
};

// Errors: kCorrupt, naming the field; kUnsupported for another kind of tokenizer.
[[nodiscard]] Result<Vocabulary> ReadVocabulary(const Gguf& gguf);

}  // namespace cairn::model
