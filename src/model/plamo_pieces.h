// SPDX-License-Identifier: Apache-2.0
// PLaMo 2's tokenizer: the tokens whose scores, in whole ten-thousandths, have the largest sum,
// found from the text's end; of equal sums the one whose first token is longest. Characters without
// a token become their bytes. Threads: immutable after Create. Owns: its tables; the vocabulary
// must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/token_prefixes.h"
#include "model/vocabulary.h"

namespace cairn::model {

class PlamoPieces {
 public:
  // Errors: kCorrupt where a byte has no token; as TokenPrefixes.
  [[nodiscard]] static Result<PlamoPieces> Create(const Vocabulary& v,
                                                  std::span<const std::int32_t, 256> byte_tokens);
  // Errors: kLimit for a text above kMostBytes.
  [[nodiscard]] Result<void> Encode(std::string_view text, std::vector<std::int32_t>& out) const;

  static constexpr std::size_t kMostBytes = std::size_t{1} << 27;  // 16 bytes of memory each

 private:
  PlamoPieces(const Vocabulary& v, TokenPrefixes prefixes)
      : prefixes_(std::move(prefixes)), scores_(v.scores.size()) {}
  TokenPrefixes prefixes_;
  std::vector<std::int32_t> scores_;  // by id, in ten-thousandths
  std::array<std::int32_t, 256> byte_tokens_{};
};

}  // namespace cairn::model
