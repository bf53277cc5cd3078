// SPDX-License-Identifier: Apache-2.0
// Which tokens a text begins with.
// Threads: immutable once made.
// Owns: its entries; the texts are views that must outlive it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::model {

// Bounds what a text of n bytes can cost: n times this. Pieces of real vocabularies have some
// dozens.
inline constexpr std::size_t kMostPieceBytes = 1024;

class TokenPrefixes {
 public:
  struct Entry {
    std::string_view text;
    std::int32_t id;
  };
  // Empty texts are left out; of equal ones the lowest id stays.
  // Errors: kLimit, naming the token, for a text above kMostPieceBytes.
  [[nodiscard]] static Result<TokenPrefixes> Create(std::vector<Entry> entries);

  // Calls found(id, bytes) for every entry that `text` begins with, shortest first.
  // Cost: a binary search per byte of the longest.
  template <typename Found>
  void ForEach(std::string_view text, const Found& found) const {
    if (text.empty()) return;
    const auto first = static_cast<unsigned char>(text[0]);
    auto low = entries_.begin() + first_[first];
    auto high = entries_.begin() + first_[first + 1u];
    // The range holds what begins with the first `i` bytes; the text that ends there is its first.
    for (std::size_t i = 1; low != high; ++i) {
      if (low->text.size() == i) {
        found(low->id, i);
        ++low;
      }
      if (i >= text.size()) return;
      const auto at = [i](const Entry& entry) { return static_cast<unsigned char>(entry.text[i]); };
      const auto range =
          std::ranges::equal_range(low, high, static_cast<unsigned char>(text[i]), {}, at);
      low = range.begin();
      high = range.end();
    }
  }

 private:
  TokenPrefixes() = default;
  std::vector<Entry> entries_;              // sorted by text
  std::array<std::uint32_t, 257> first_{};  // entries by first byte: [first_[b], first_[b + 1])
};

}  // namespace cairn::model
