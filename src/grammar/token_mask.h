// SPDX-License-Identifier: Apache-2.0
// Which tokens may come next: a bit for each.
// Threads: a plain value.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cairn::grammar {

class TokenMask {
 public:
  explicit TokenMask(std::size_t tokens) : words_((tokens + 63) / 64, 0) {}
  void Set(std::int32_t token) {
    words_[static_cast<std::size_t>(token) / 64] |= std::uint64_t{1} << (token % 64);
  }
  bool Has(std::int32_t token) const {
    return (words_[static_cast<std::size_t>(token) / 64] >> (token % 64) & 1) != 0;
  }
  // Requires the same number of tokens.
  void Add(const TokenMask& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  std::size_t Count() const {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  std::span<const std::uint64_t> words() const { return words_; }  // token t: bit t % 64 of t / 64

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace cairn::grammar
