// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back.
//
// Special tokens (control tokens such as <|im_start|>) are recognised only inside parts that ask
// for it, and never across the border of two parts; user-defined tokens are recognised everywhere,
// as their tokenizers do. The text between special tokens is tokenized over the borders of parts,
// so a chat template's text and a user's message are one text, but a special token that is written
// in a message stays text. Ill-formed UTF-8 reads as U+FFFD (one per maximal ill-formed piece).
//
// Threads: immutable after Create; const members from any thread.
// Owns: its tables. Texts of tokens are views into the file, which must outlive the tokenizer.
// Cost: linear in the text, but for single words beyond some dozens of characters: n log n. Memory
//   for a text of one word: about 20 bytes per byte of it; for prose, the text and its ids.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/vocabulary.h"

namespace cairn::model {

inline constexpr std::size_t kMostTextBytes = 1 << 29;  // ill-formed bytes may grow threefold
inline constexpr std::size_t kMostSpecialBytes = 256;   // of a special token; real ones have 50

struct TextPart {
  std::string_view text;
  bool parse_special = false;
};

class Tokenizer {
 public:
  // Errors: kUnsupported for a pre-tokenizer that is not known (naming those that are); kCorrupt
  // for a vocabulary that cannot spell unknown characters at all, and for merges of what is no
  // token; kLimit for special tokens above kMostSpecialBytes. Needs `vocabulary` as ReadVocabulary
  // gives it: one type per token, and one score where the kind has scores.
  [[nodiscard]] static Result<Tokenizer> Create(Vocabulary vocabulary);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // The ids of the parts, one after the other. `add_special`: begin and end tokens as the model
  // wants them. Errors: kLimit for more than kMostTextBytes, or where a pattern of
  // the pre-tokenizer gives up (which no known pattern does).
  [[nodiscard]] Result<std::vector<std::int32_t>> Encode(std::span<const TextPart> parts,
                                                         bool add_special) const;
  [[nodiscard]] Result<std::vector<std::int32_t>> Encode(std::string_view text, bool add_special,
                                                         bool parse_special = false) const;

  // Bytes of the ids, which need not be whole characters. Control tokens give their text where
  // `special` or where they are marks of tool calls, else nothing. Ids out of range give nothing.
  std::string Decode(std::span<const std::int32_t> ids, bool special) const;

  int size() const { return static_cast<int>(vocabulary().tokens.size()); }
  // The text of a token as the file spells it. Requires 0 <= id < size().
  std::string_view Piece(std::int32_t id) const {
    return vocabulary().tokens[static_cast<std::size_t>(id)];
  }
  bool IsControl(std::int32_t id) const;
  // Ends an answer: the end tokens of the metadata and control tokens of well-known names.
  bool IsEndOfGeneration(std::int32_t id) const;
  const Vocabulary& vocabulary() const;

 private:
  struct State;
  class Encoding;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Turns a stream of ids into text that never ends inside a character.
// Threads: one stream, one thread.
class StreamDecoder {
 public:
  // The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  // The characters that are complete now; ill-formed bytes become U+FFFD. Control tokens give
  // nothing, but for marks of tool calls.
  std::string Push(std::int32_t id);
  // What is left, U+FFFD for an unfinished character.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
};

}  // namespace cairn::model
