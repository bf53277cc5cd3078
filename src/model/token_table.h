// SPDX-License-Identifier: Apache-2.0
// Looks tokens up by text, and finds special tokens in a text.
// Threads: immutable after construction.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cairn::model {

// Text -> id: open addressing over the vocabulary's own texts. Of equal texts the lowest id wins.
class TokenTable {
 public:
  explicit TokenTable(std::span<const std::string_view> tokens);
  std::int32_t Find(std::string_view text) const;  // -1: none

 private:
  std::span<const std::string_view> tokens_;
  std::vector<std::int32_t> slots_;  // a power of two; -1: empty
};

// The longest of a set of texts at a place.
class SpecialMatcher {
 public:
  SpecialMatcher();
  void Add(std::string_view text, std::int32_t id);  // text not empty

  struct Match {
    std::int32_t id = -1;  // -1: none
    std::size_t bytes = 0;
  };
  Match At(std::string_view text) const;
  // No text of the set begins with this byte.
  bool Excludes(unsigned char byte) const { return first_[byte] < 0; }

 private:
  struct Node {
    std::int32_t id = -1;
    std::vector<std::pair<unsigned char, std::int32_t>> children;
  };
  std::vector<Node> nodes_;
  std::vector<std::int32_t> first_;  // node by first byte
};

}  // namespace cairn::model
