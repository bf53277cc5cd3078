// SPDX-License-Identifier: Apache-2.0
// RWKV's tokenizer: at each place the longest token, over bytes. The file spells tokens with
// escapes
// ("\n", "\xf0").
// Threads: immutable after Create. Owns: the tokens' bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/token_prefixes.h"
#include "model/vocabulary.h"

namespace cairn::model {

class RwkvWords {
 public:
  // Errors: kCorrupt for an escape that is none, or where a byte has no token and the vocabulary no
  // unknown token; as TokenPrefixes.
  [[nodiscard]] static Result<RwkvWords> Create(const Vocabulary& v);
  void Encode(std::string_view text, std::vector<std::int32_t>& out) const;
  // The bytes of a token. Requires an id of the vocabulary.
  std::string_view Bytes(std::int32_t id) const { return texts_[static_cast<std::size_t>(id)]; }

 private:
  RwkvWords(std::vector<std::string> texts, TokenPrefixes prefixes, std::int32_t unknown)
      : texts_(std::move(texts)), prefixes_(std::move(prefixes)), unknown_(unknown) {}
  std::vector<std::string> texts_;  // by id; prefixes_ has views of them
  TokenPrefixes prefixes_;
  std::int32_t unknown_;  // -1: every byte has a token
};

}  // namespace cairn::model
