// SPDX-License-Identifier: Apache-2.0
// For the tests of this room: layouts, pools, and a sequence whose keys and values can be told.
//
// What a position holds is a function of all tokens up to it, so that a tile which is taken for
// another text, written by someone else or given back too early shows.
// Threads: as the pool.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "kv/layout.h"
#include "kv/pool.h"
#include "kv/sequence_tiles.h"

namespace cairn::kv {

inline constexpr std::int64_t kTile = kernels::kTilePositions;

// A layer that sees everything, one with a window, and one more of the first kind. Without a window
// all are of one group. With `state_tiles` also states, which are kept so many tiles apart.
inline KvLayout TwoGroups(int window = 100, int state_tiles = 0) {
  std::vector<program::StateLayer> states;
  if (state_tiles > 0) states = {{.rows = 3, .width = 40}, {.rows = 1, .width = 64}};
  KvLayout layout = LayOut({{.heads = 2, .head_dim = 16, .window = 0},
                            {.heads = 1, .head_dim = 32, .window = window},
                            {.heads = 3, .head_dim = 16, .window = 0}},
                           kernels::KvFormat::kF16, states);
  if (state_tiles > 0) layout.state_tiles = state_tiles;
  return layout;
}
// States and nothing else.
inline KvLayout StatesAlone(int state_tiles) {
  KvLayout layout = LayOut({}, kernels::KvFormat::kF16, {{.rows = 2, .width = 100}});
  layout.state_tiles = state_tiles;
  return layout;
}

inline std::unique_ptr<KvPool> MakePool(KvLayout layout, std::size_t budget,
                                        KvBackend backend = KvBackend::kArena) {
  auto pool = KvPool::Create(std::move(layout),
                             {.budget_bytes = budget, .backend = backend, .most_positions = 4096});
  EXPECT_TRUE(pool) << (pool ? "" : pool.error().message);
  return std::move(*pool);
}

// With room for `tiles` tiles of every group.
inline std::unique_ptr<KvPool> MakePoolOf(const KvLayout& layout, std::size_t tiles,
                                          KvBackend backend = KvBackend::kArena) {
  return MakePool(layout, tiles * KvPool::LeastBudget(layout), backend);
}

class TestSequence {
 public:
  explicit TestSequence(KvPool& pool, std::uint64_t space = 0)
      : pool_(&pool), space_(space), tiles_(pool) {}

  SequenceTiles& tiles() { return tiles_; }
  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  std::int64_t size() const { return std::ssize(tokens_); }

  // The tokens of positions whose tiles were filled by somebody else.
  void Adopt(std::span<const std::int32_t> tokens) {
    tokens_.clear();
    keys_.clear();
    Remember(tokens);
    tiles_.Commit(size());
  }

  [[nodiscard]] Result<void> Append(std::span<const std::int32_t> tokens) {
    const std::int64_t from = size();
    OR_RETURN(tiles_.Grow(from, from + std::ssize(tokens)));
    Remember(tokens);
    for (std::int64_t p = from; p < size(); ++p) {
      for (int g = 0; g < pool_->layout().groups(); ++g) {
        if (g != pool_->layout().state_group) Fill(Place(g, p), Stride(g), Key(g, p));
      }
    }
    for (const StateStep& step : tiles_.state_steps()) {
      Fill(step.data, pool_->layout().state_bytes(),
           Key(pool_->layout().state_group, step.end - 1));
    }
    tiles_.Commit(size());
    return {};
  }

  void Truncate(std::int64_t size) {
    tokens_.resize(static_cast<std::size_t>(size));
    keys_.resize(static_cast<std::size_t>(size));
    tiles_.Shrink(size);
  }

  void ForkFrom(const TestSequence& other, std::int64_t size) {
    tiles_.Share(other.tiles_, size);
    space_ = other.space_;
    Adopt(std::span(other.tokens_).first(static_cast<std::size_t>(size)));
  }

  // Every tile that is held has the keys and values of its positions, and whatever the next
  // position sees is held.
  ::testing::AssertionResult Holds() const {
    for (int g = 0; g < pool_->layout().groups(); ++g) {
      if (g == pool_->layout().state_group) {
        if (auto states = HoldsStates(); !states) return states;
        continue;
      }
      const int window = pool_->layout().windows[static_cast<std::size_t>(g)];
      for (std::int64_t p = 0; p < size(); ++p) {
        const bool there = tiles_.tiles(g)[p / kTile] != nullptr;
        if (!there && (window == 0 || p >= size() - window + 1)) {
          return ::testing::AssertionFailure() << "group " << g << " lacks position " << p;
        }
        const std::uint64_t key = Key(g, p);
        // Its first word and its last.
        for (const std::size_t i : {std::size_t{0}, Stride(g) - sizeof(key)}) {
          if (!there || std::memcmp(Place(g, p) + i, &key, sizeof(key)) == 0) continue;
          return ::testing::AssertionFailure()
                 << "group " << g << ", position " << p << " of " << size() << " is another's";
        }
      }
    }
    return ::testing::AssertionSuccess();
  }

 private:
  // Those behind the last position, and whatever else is held.
  ::testing::AssertionResult HoldsStates() const {
    const int g = pool_->layout().state_group;
    if (size() > 0 && tiles_.state() == nullptr) {
      return ::testing::AssertionFailure() << "there are no states behind " << size();
    }
    for (std::int64_t i = 0; i < tiles_.tile_count() && i * kTile < size(); ++i) {
      const std::byte* data = tiles_.tile(g, i).data();
      const std::uint64_t key = Key(g, std::min((i + 1) * kTile, size()) - 1);
      for (const std::size_t at : {std::size_t{0}, pool_->layout().state_bytes() - sizeof(key)}) {
        if (data == nullptr || std::memcmp(data + at, &key, sizeof(key)) == 0) continue;
        return ::testing::AssertionFailure()
               << "states in tile " << i << " of " << size() << " positions are another's";
      }
    }
    return ::testing::AssertionSuccess();
  }
  static void Fill(std::byte* place, std::size_t bytes, std::uint64_t key) {
    for (std::size_t i = 0; i + sizeof(key) <= bytes; i += sizeof(key)) {
      std::memcpy(place + i, &key, sizeof(key));
    }
  }
  void Remember(std::span<const std::int32_t> tokens) {
    for (const std::int32_t token : tokens) {
      const std::uint64_t before = keys_.empty() ? space_ * 0x9e3779b97f4a7c15u + 1 : keys_.back();
      std::uint64_t key = (before ^ static_cast<std::uint64_t>(token)) * 0xff51afd7ed558ccdu;
      key ^= key >> 29;
      keys_.push_back(key * 0xc4ceb9fe1a85ec53u + 7);
      tokens_.push_back(token);
    }
  }
  std::uint64_t Key(int group, std::int64_t p) const {
    return keys_[static_cast<std::size_t>(p)] + static_cast<std::uint64_t>(group);
  }
  std::size_t Stride(int group) const {
    return pool_->layout().tile_bytes[static_cast<std::size_t>(group)] / kTile;
  }
  std::byte* Place(int group, std::int64_t p) const {
    return tiles_.tiles(group)[p / kTile] + static_cast<std::size_t>(p % kTile) * Stride(group);
  }

  KvPool* pool_;
  std::uint64_t space_;
  SequenceTiles tiles_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::uint64_t> keys_;
};

// `count` tokens that follow from `seed`.
inline std::vector<std::int32_t> Words(std::int64_t count, std::uint32_t seed) {
  std::vector<std::int32_t> words;
  for (std::int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    words.push_back(static_cast<std::int32_t>(seed >> 8));
  }
  return words;
}

}  // namespace cairn::kv
