// SPDX-License-Identifier: Apache-2.0
// API keys: a file of names and SHA-256 hashes. The keys themselves are nowhere.
//
// A line is a name (letters, digits, '.', '_', '-'), white space, and the hash in 64 hexadecimal
// digits, then limits of its holder if it has some: `requests=N` and `tokens=N` a minute,
// `concurrent=N` answers at a time, `models=NAME,NAME`; '#' begins a comment. The name tells
// tenants apart: they take turns, and none finds what another's prompts left in the cache. Threads:
// immutable values. Cost: a hash and a comparison with every key, in a time that does not depend on
// what matches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::server {

using Sha256 = std::array<unsigned char, 32>;
Sha256 Sha256Of(std::string_view text);

// 0 and empty: no limit.
struct KeyLimits {
  std::int64_t requests = 0;    // answers a minute
  std::int64_t tokens = 0;      // a minute: of prompts, as far as they are computed, and of answers
  std::int64_t concurrent = 0;  // answers at a time
  std::vector<std::string> models;
};

struct KeyHolder {
  std::string name;
  KeyLimits limits;
};

class Keys {
 public:
  static constexpr std::int64_t kMostLimit = 1'000'000'000'000;
  static constexpr std::size_t kMostKeys = 10'000;
  static constexpr std::size_t kMostFileBytes = std::size_t{4} << 20;

  // Errors: kInvalidArgument with the line's number; no line is fine.
  [[nodiscard]] static Result<Keys> Parse(std::string_view text);

  // Null: there is no such key.
  std::shared_ptr<const KeyHolder> Find(std::string_view key) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::shared_ptr<const KeyHolder> holder;
    Sha256 hash;
  };
  std::vector<Entry> entries_;
};

}  // namespace cairn::server
