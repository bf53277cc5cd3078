// SPDX-License-Identifier: Apache-2.0
// Matmuls in scalars over stored blocks, written from docs/canonical.md (sections 1 to 3). Packed
// layouts do not appear here. For tests only.
// Threads: pure functions.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "tensor/blocks.h"
#include "tensor/coded_blocks.h"
#include "tensor/format.h"
#include "tensor/grid_blocks.h"
#include "tensor/half.h"

namespace cairn::kernels::ref {

// Section 1. A row that is not finite has no blocks that mean anything.
struct QuantisedRow {
  std::vector<int> q;
  std::vector<float> d, s;  // per block of 32
  bool finite = true;
};

inline QuantisedRow Quantise(std::span<const float> x) {
  QuantisedRow row;
  for (std::size_t at = 0; at < x.size(); at += 32) {
    std::uint32_t most = 0;
    for (std::size_t i = at; i < at + 32; ++i) {
      most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu);
    }
    const float m = std::bit_cast<float>(most);
    if (!std::isfinite(m)) row.finite = false;
    const bool zero = !std::isfinite(m) || m < 0x1p-64f;
    int sum = 0;
    for (std::size_t i = at; i < at + 32; ++i) {
      row.q.push_back(zero ? 0 : static_cast<int>(std::nearbyint(x[i] * (127.0f / m))));
      sum += row.q.back();
    }
    row.d.push_back(zero ? 0.0f : m / 127.0f);
    row.s.push_back(row.d.back() * static_cast<float>(sum));
  }
  return row;
}

// What section 2 needs of one sub-block of weights.
struct SubBlock {
  std::vector<int> weights;
  float w, n;
  bool has_minimum;
};

template <typename Block>
std::vector<SubBlock> SubBlocksOf(const Block& b) {
  using namespace tensor;  // NOLINT: one function
  constexpr bool kSimple = std::is_same_v<Block, BlockQ4_0> || std::is_same_v<Block, BlockQ4_1> ||
                           std::is_same_v<Block, BlockQ5_0> || std::is_same_v<Block, BlockQ5_1> ||
                           std::is_same_v<Block, BlockQ8_0>;
  constexpr int kValues = kSimple ? 32 : 256;
  constexpr int kSub = std::is_same_v<Block, BlockQ6_K> ? 16 : 32;
  constexpr int kOffset = std::is_same_v<Block, BlockQ4_0>   ? 8
                          : std::is_same_v<Block, BlockQ5_0> ? 16
                          : std::is_same_v<Block, BlockQ8_0> ? 128  // IntegersOf gives q + 128
                          : std::is_same_v<Block, BlockQ6_K> ? 32
                                                             : 0;
  std::uint8_t q[kValues];
  IntegersOf(b, q);
  std::vector<SubBlock> subs;
  for (int g = 0; g < kValues / kSub; ++g) {
    SubBlock sub{{}, FloatOfHalf(b.d), 0, false};
    for (int i = 0; i < kSub; ++i) sub.weights.push_back(q[g * kSub + i] - kOffset);
    if constexpr (requires { b.m; }) {
      sub.n = FloatOfHalf(b.m);
      sub.has_minimum = true;
    } else if constexpr (requires { b.dmin; }) {
      const SubScale scale = SubScaleOf(b.scales, g);
      sub.w = FloatOfHalf(b.d) * static_cast<float>(scale.scale);
      sub.n = -(FloatOfHalf(b.dmin) * static_cast<float>(scale.minimum));
      sub.has_minimum = true;
    } else if constexpr (std::is_same_v<Block, BlockQ6_K>) {
      sub.w = FloatOfHalf(b.d) * static_cast<float>(b.scales[g]);
    }
    subs.push_back(std::move(sub));
  }
  return subs;
}

// The formats of coded_blocks.h and grid_blocks.h.
template <typename Block>
requires requires(const Block& b) { ScaleOf(b, 0); }
std::vector<SubBlock> SubBlocksOf(const Block& b) {
  std::uint8_t q[Block::kValues];
  IntegersOf(b, q);
  std::vector<SubBlock> subs;
  for (int i = 0; i < Block::kValues; ++i) {
    if (i % Block::kSub == 0) subs.push_back({{}, ScaleOf(b, i / Block::kSub), 0, false});
    subs.back().weights.push_back(WeightOf(b, i, q[i]));
  }
  return subs;
}

// Q2_K: the sub-scales and minima of both halves of 32 values join their integers.
inline float ProductOfQ2_K(std::span<const std::byte> stored, const QuantisedRow& x) {
  float acc = 0;
  for (std::size_t k = 0; k < x.q.size(); k += 32) {
    tensor::BlockQ2_K b;
    std::memcpy(&b, stored.data() + k / 256 * sizeof(b), sizeof(b));
    std::uint8_t q[256];
    IntegersOf(b, q);
    int sum = 0, minima = 0;
    for (std::size_t i = k; i < k + 32; ++i) {
      const int scales = b.scales[i % 256 / 16];
      sum += (scales & 15) * q[i % 256] * x.q[i];
      minima -= (scales >> 4) * x.q[i];
    }
    const float d = x.d[k / 32];
    acc = std::fma(static_cast<float>(sum), tensor::FloatOfHalf(b.d) * d, acc);
    acc = std::fma(static_cast<float>(minima), tensor::FloatOfHalf(b.dmin) * d, acc);
  }
  return acc;
}

template <typename Block>
float BlocksProduct(std::span<const std::byte> stored, const QuantisedRow& x) {
  float acc = 0;
  std::size_t k = 0;
  for (std::size_t at = 0; at < stored.size(); at += sizeof(Block)) {
    Block block;
    std::memcpy(&block, stored.data() + at, sizeof(block));
    for (const SubBlock& sub : SubBlocksOf(block)) {
      int sum = 0;
      const std::size_t b = k / 32;
      for (const int weight : sub.weights) sum += weight * x.q[k++];
      acc = std::fma(static_cast<float>(sum), sub.w * x.d[b], acc);
      if (sub.has_minimum) acc = std::fma(sub.n, x.s[b], acc);
    }
  }
  return acc;
}

// One output of a matmul with quantised weights: a stored row and a row of activations.
inline float QuantisedProduct(tensor::Format format, std::span<const std::byte> stored,
                              const QuantisedRow& x) {
  using tensor::Format;
  switch (format) {
    case Format::kQ4_0: return BlocksProduct<tensor::BlockQ4_0>(stored, x);
    case Format::kQ4_1: return BlocksProduct<tensor::BlockQ4_1>(stored, x);
    case Format::kQ5_0: return BlocksProduct<tensor::BlockQ5_0>(stored, x);
    case Format::kQ5_1: return BlocksProduct<tensor::BlockQ5_1>(stored, x);
    case Format::kQ8_0: return BlocksProduct<tensor::BlockQ8_0>(stored, x);
    case Format::kQ4_K: return BlocksProduct<tensor::BlockQ4_K>(stored, x);
    case Format::kQ5_K: return BlocksProduct<tensor::BlockQ5_K>(stored, x);
    case Format::kQ6_K: return BlocksProduct<tensor::BlockQ6_K>(stored, x);
    case Format::kQ2_K: return ProductOfQ2_K(stored, x);
    case Format::kQ3_K: return BlocksProduct<tensor::BlockQ3_K>(stored, x);
    case Format::kIQ4_NL: return BlocksProduct<tensor::BlockIQ4_NL>(stored, x);
    case Format::kIQ4_XS: return BlocksProduct<tensor::BlockIQ4_XS>(stored, x);
    case Format::kMXFP4: return BlocksProduct<tensor::BlockMXFP4>(stored, x);
    case Format::kNVFP4: return BlocksProduct<tensor::BlockNVFP4>(stored, x);
    case Format::kTQ1_0: return BlocksProduct<tensor::BlockTQ1_0>(stored, x);
    case Format::kTQ2_0: return BlocksProduct<tensor::BlockTQ2_0>(stored, x);
    case Format::kIQ1_S: return BlocksProduct<tensor::BlockIQ1_S>(stored, x);
    case Format::kIQ1_M: return BlocksProduct<tensor::BlockIQ1_M>(stored, x);
    case Format::kIQ2_XXS: return BlocksProduct<tensor::BlockIQ2_XXS>(stored, x);
    case Format::kIQ2_XS: return BlocksProduct<tensor::BlockIQ2_XS>(stored, x);
    case Format::kIQ2_S: return BlocksProduct<tensor::BlockIQ2_S>(stored, x);
    case Format::kIQ3_XXS: return BlocksProduct<tensor::BlockIQ3_XXS>(stored, x);
    case Format::kIQ3_S: return BlocksProduct<tensor::BlockIQ3_S>(stored, x);
    default: return std::nanf("");  // not a quantised format: equals nothing
  }
}

// One output of a matmul with float weights (section 3), `weights` widened exactly.
inline float FloatProduct(std::span<const float> weights, std::span<const float> x) {
  float acc = 0;
  for (std::size_t k = 0; k < x.size(); ++k) acc = std::fma(weights[k], x[k], acc);
  return acc;
}

}  // namespace cairn::kernels::ref
