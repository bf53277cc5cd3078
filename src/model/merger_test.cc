// SPDX-License-Identifier: Apache-2.0
// The two ways of merging against a plain search for the best pair.
#include "model/merger.h"

#include <gtest/gtest.h>

#include <random>

#include "testing/allocation_meter.h"

namespace cairn::model {
namespace {

// Few symbols, few priorities: many ties.
class RandomRules : public MergeRules {
 public:
  explicit RandomRules(unsigned seed) {
    std::mt19937 random(seed);
    for (auto& row : merges_) {
      for (Merge& merge : row) {
        if (random() % 3 == 0) {
          merge = {static_cast<std::int64_t>(random() % 5),
                   static_cast<std::int32_t>(random() % 8)};
        }
      }
    }
  }
  Merge Find(std::int32_t left, std::int32_t right) const override {
    return merges_[static_cast<std::size_t>(left)][static_cast<std::size_t>(right)];
  }

 private:
  Merge merges_[8][8];
};

std::vector<std::int32_t> Plain(const MergeRules& rules, std::vector<std::int32_t> tokens) {
  for (;;) {
    std::size_t best = tokens.size();
    Merge chosen;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const Merge merge = rules.Find(tokens[i], tokens[i + 1]);
      if (merge.token >= 0 && (chosen.token < 0 || merge.priority < chosen.priority)) {
        best = i;
        chosen = merge;
      }
    }
    if (chosen.token < 0) return tokens;
    tokens[best] = chosen.token;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(MergerTest, WordsOfEveryLengthMergeLikeThePlainSearch) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    const RandomRules rules(seed);
    Merger merger(rules);
    std::mt19937 random(seed);
    for (const std::size_t size : {0, 1, 2, 31, 32, 33, 34, 60, 150}) {
      std::vector<std::int32_t> symbols(size);
      const unsigned kinds = 1 + random() % 8;
      for (std::int32_t& symbol : symbols) symbol = static_cast<std::int32_t>(random() % kinds);
      std::vector<std::int32_t> out;
      merger.Run(symbols, out);
      ASSERT_EQ(out, Plain(rules, symbols)) << "seed " << seed << " size " << size;
    }
  }
}

// Every pair merges, all alike: each symbol waits in a bucket, and so does each of its merges.
class OneLetter : public MergeRules {
 public:
  Merge Find(std::int32_t, std::int32_t) const override { return {0, 0}; }
};

TEST(MergerTest, LongWordsTakeFewBytesPerSymbol) {
  if (!testing::AllocationMeter::Counts()) GTEST_SKIP() << "a sanitizer brings its own new";
  constexpr std::size_t kSymbols = 1'000'000;
  const std::vector<std::int32_t> symbols(kSymbols, 0);
  const OneLetter rules;
  Merger merger(rules);
  std::vector<std::int32_t> out;
  const testing::AllocationMeter meter;
  merger.Run(symbols, out);
  EXPECT_EQ(out.size(), 1u);
  // What was asked for in all, freed or not.
  EXPECT_LT(meter.total_bytes(), 24 * kSymbols);
}

}  // namespace
}  // namespace cairn::model
