// SPDX-License-Identifier: Apache-2.0
// SentencePiece's unigram model (T5, XLM-R): text is normalised, then cut into the tokens whose
// scores have the largest sum.
// Threads: immutable after Create; Encode may run on many threads at once.
// Owns: its tables; the vocabulary must outlive it.
// Cost: linear in the text, times the length of the longest token. Memory while it runs: 24 bytes
// per
//   byte of the longest stretch that no token can cross (a word, in real vocabularies).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/char_map.h"
#include "model/token_prefixes.h"
#include "model/vocabulary.h"

namespace cairn::model {

class Unigram {
 public:
  // `byte_tokens`: by byte, -1 for none; with all of them, unknown characters become their bytes,
  // else one unknown token for all in a row. `before_marks`: the characters before a space mark
  // inside some token, sorted.
  // Errors: kCorrupt without an unknown token; as CharMap and TokenPrefixes.
  [[nodiscard]] static Result<Unigram> Create(const Vocabulary& v,
                                              std::span<const std::int32_t, 256> byte_tokens,
                                              std::vector<std::string_view> before_marks);
  // Appends the ids of a text between special tokens. Errors: kLimit for a stretch above
  // kMostStretchBytes.
  [[nodiscard]] Result<void> Encode(std::string_view text, std::vector<std::int32_t>& out) const;

  static constexpr std::size_t kMostStretchBytes = std::size_t{1} << 27;

 private:
  struct Step;
  Unigram(const Vocabulary& v, TokenPrefixes prefixes) : v_(&v), prefixes_(std::move(prefixes)) {}
  std::string Normalise(std::string_view text) const;
  void EncodeStretch(std::string_view text, std::vector<Step>& steps,
                     std::vector<std::int32_t>& out) const;

  const Vocabulary* v_;
  TokenPrefixes prefixes_;
  CharMap map_;
  std::array<std::int32_t, 256> byte_tokens_{};
  bool byte_fallback_ = false;
  double unknown_score_ = 0;
  std::vector<std::string_view> before_marks_;
};

}  // namespace cairn::model
