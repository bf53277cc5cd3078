// SPDX-License-Identifier: Apache-2.0
// API keys: a file of names and SHA-256 hashes. The keys themselves are nowhere.
//
// A line is a name (letters, digits, '.', '_', '-'), white space, and the hash in 64 hexadecimal
// digits; '#' begins a comment. The name tells tenants apart: they take turns, and none finds what
// another's prompts left in the cache.
// Threads: immutable values. Cost: a hash and a comparison with every key, in a time that does not
// depend on what matches.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::server {

using Sha256 = std::array<unsigned char, 32>;
Sha256 Sha256Of(std::string_view text);

class Keys {
 public:
  static constexpr std::size_t kMostKeys = 10'000;
  static constexpr std::size_t kMostFileBytes = std::size_t{4} << 20;

  // Errors: kInvalidArgument with the line's number; no line is fine.
  [[nodiscard]] static Result<Keys> Parse(std::string_view text);

  // The name of the key's holder.
  std::optional<std::string> Find(std::string_view key) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string name;
    Sha256 hash;
  };
  std::vector<Entry> entries_;
};

}  // namespace cairn::server
