// SPDX-License-Identifier: Apache-2.0
// Looks tokens up by text, and finds special tokens in a text.
// Threads: immutable once filled.
// Owns: slots and entries; the texts themselves are views that must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cairn::model {

// Text -> id: open addressing over the vocabulary's own texts. Of equal texts the lowest id wins.
// The hash is seeded by the whole vocabulary, so that a file cannot be made whose tokens collide.
// Cost: 8 bytes or less per token, a few nanoseconds per look-up.
class TokenTable {
 public:
  // Only tokens whose `included` entry is true can be found.
  TokenTable(std::span<const std::string_view> tokens, const std::vector<bool>& included);
  std::int32_t Find(std::string_view text) const;  // -1: none
  std::uint64_t seed() const { return seed_; }

 private:
  std::span<const std::string_view> tokens_;
  std::uint64_t seed_ = 0;
  std::vector<std::int32_t> slots_;  // a power of two; -1: empty
};

// Finds the longest of a set of texts at a place. Texts are kept sorted, so it costs one entry per
// text, and a failed try costs a comparison or two.
class SpecialMatcher {
 public:
  SpecialMatcher() { Sort(); }
  void Add(std::string_view text, std::int32_t id) { entries_.push_back({text, id}); }  // not empty
  void Sort();  // after the last Add; of equal texts the lowest id wins

  struct Match {
    std::int32_t id = -1;  // -1: none
    std::size_t bytes = 0;
  };
  Match At(std::string_view text) const;  // text not empty

  // The first place at or after `from` where a text of the set stands; text.size() if none.
  std::size_t Find(std::string_view text, std::size_t from, Match& match) const;

 private:
  struct Entry {
    std::string_view text;
    std::int32_t id;
  };
  std::vector<Entry> entries_;
  std::array<std::uint32_t, 257> first_{};  // entries by first byte: [first_[b], first_[b + 1])
};

}  // namespace cairn::model
