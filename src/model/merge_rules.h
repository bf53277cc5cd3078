// SPDX-License-Identifier: Apache-2.0
// Which pairs of tokens merge into which token: by a list of ranked merges (byte-level BPE), or by
// the scores of the tokens (SentencePiece).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "model/merger.h"
#include "model/token_table.h"
#include "model/vocabulary.h"

namespace cairn::model {

// Ranked merges: the pair of ids decides, the first of the list is merged first.
// Threads: immutable after Create.
class RankedRules : public MergeRules {
 public:
  // Errors: kCorrupt, naming the merge that is not two tokens of the vocabulary whose joined text
  // is one too.
  [[nodiscard]] static Result<RankedRules> Create(const Vocabulary& v, const TokenTable& table);
  Merge Find(std::int32_t left, std::int32_t right) const override;

 private:
  struct Slot {
    std::int32_t left = -1, right = -1, rank = 0, token = -1;  // token -1: empty
  };
  RankedRules(std::size_t merges, std::uint64_t seed);
  std::size_t SlotOf(std::int32_t left, std::int32_t right) const;

  std::uint64_t seed_;
  std::vector<Slot> slots_;  // a power of two
};

// Scored merges: a pair merges where the vocabulary has its text; higher scores first. Characters
// that the vocabulary lacks get ids past its end.
//
// Unused tokens take part in merging, as SentencePiece has it, and are cut again afterwards.
// Threads: one thread; made anew for each call (it remembers pairs that it has seen).
class ScoredRules : public MergeRules {
 public:
  // `longest`: bytes of the longest token.
  ScoredRules(const Vocabulary& v, const TokenTable& table, std::size_t longest);

  std::int32_t Symbol(std::string_view character);  // the view must outlive this
  std::string_view TextOf(std::int32_t id) const;
  Merge Find(std::int32_t left, std::int32_t right) const override;
  // Ends a word: ids past the vocabulary's end lose their meaning.
  void Forget() {
    unknown_.clear();
    parts_.clear();
  }
  // Calls put(id) for the token, or for the parts it came from if it is unused.
  template <typename Put>
  void Resolve(std::int32_t id, const Put& put) const;

 private:
  struct Seen {
    std::int32_t left = -1, right = -1;
    Merge merge;
  };
  Merge LookUp(std::int32_t left, std::int32_t right) const;
  bool Unused(std::int32_t id) const {
    const auto index = static_cast<std::size_t>(id);
    return index < v_.types.size() && v_.types[index] == TokenType::kUnused;
  }

  const Vocabulary& v_;
  const TokenTable& table_;
  std::size_t longest_;
  std::vector<std::string_view> unknown_;
  mutable std::vector<Seen> seen_;  // a cache, direct-mapped
  mutable std::string joined_;
  mutable std::unordered_map<std::int32_t, std::pair<std::int32_t, std::int32_t>> parts_;
};

template <typename Put>
void ScoredRules::Resolve(std::int32_t id, const Put& put) const {
  if (!Unused(id)) return put(id);
  const auto parts = parts_.find(id);
  if (parts == parts_.end()) return put(id);
  // The parts are shorter than the token: this ends.
  Resolve(parts->second.first, put);
  Resolve(parts->second.second, put);
}

}  // namespace cairn::model
