// SPDX-License-Identifier: Apache-2.0
// The height of a key: the number of leading zero digits of its hash, read as a fraction in base
// `spread`. A function of key and seed, because the one-pass insert must meet an equal key at its
// height, before it has split anything; and of a mixed hash, because plain integers would promote
// every multiple of the base. The seed keeps somebody who chooses keys from choosing heights; the
// mixing is no cipher.
// Threads: constant after construction.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>

namespace cairn::index {

class Heights {
 public:
  static constexpr int kMostLevels = 16;

  // As many levels as leave about one node's `capacity` of keys in the highest one when there are
  // `expected` keys, each in the next level with probability 1 / `spread`.
  Heights(std::uint64_t expected, int capacity, int spread, std::uint64_t seed) : seed_(seed) {
    const auto step = static_cast<std::uint64_t>(spread);
    std::uint64_t threshold = std::numeric_limits<std::uint64_t>::max();
    for (; expected > static_cast<std::uint64_t>(capacity) && levels_ < kMostLevels; ++levels_) {
      expected /= step;
      threshold /= step;
      thresholds_[levels_] = threshold;
    }
  }

  int levels() const { return levels_; }

  // In [0, levels()).
  template <typename Key>
  int Of(const Key& key) const {
    std::array<std::uint64_t, (sizeof(Key) + 7) / 8> words{};
    std::memcpy(&words, &key, sizeof(Key));
    std::uint64_t hash = seed_;
    for (const std::uint64_t word : words) hash = Mix(hash ^ word);
    int height = 0;
    while (height + 1 < levels_ && hash < thresholds_[height + 1]) ++height;
    return height;
  }

 private:
  // Every bit of the result depends on every bit of x: the finaliser of MurmurHash3.
  static std::uint64_t Mix(std::uint64_t x) {
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdU;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53U;
    return x ^ x >> 33;
  }

  std::uint64_t seed_;
  int levels_ = 1;
  // thresholds_[l]: hashes below it are in level l.
  std::array<std::uint64_t, kMostLevels> thresholds_{};
};

}  // namespace cairn::index
