// SPDX-License-Identifier: Apache-2.0
// The matmul of docs/canonical.md, sections 1 to 3, over stored blocks: scalar, one output at a
// time, straight from the page. For tests only.
// Threads: pure functions.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "tensor/blocks.h"
#include "tensor/format.h"
#include "tensor/half.h"

namespace cairn::kernels::ref {

struct ActivationBlock {
  int q[32];
  float d, s;
};

inline ActivationBlock Quantise(const float* x) {
  std::uint32_t most = 0;
  for (int i = 0; i < 32; ++i) {
    most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu);
  }
  ActivationBlock block{};
  const auto m = std::bit_cast<float>(most);
  if (m < 0x1p-64f) return block;
  block.d = m / 127.0f;
  const float inverse = 127.0f / m;
  int sum = 0;
  for (int i = 0; i < 32; ++i) {
    block.q[i] = static_cast<int>(std::nearbyint(x[i] * inverse));
    sum += block.q[i];
  }
  block.s = block.d * static_cast<float>(sum);
  return block;
}

// Sub-block `sub` of a stored block: how its integers are read and scaled.
struct SubBlock {
  int offset;        // subtracted from every integer
  float w;
  float n;
  bool minima;
};
inline SubBlock SubBlockOf(const tensor::BlockQ4_0& b, int) {
  return {8, tensor::FloatOfHalf(b.d), 0, false};
}
inline SubBlock SubBlockOf(const tensor::BlockQ4_1& b, int) {
  return {0, tensor::FloatOfHalf(b.d), tensor::FloatOfHalf(b.m), true};
}
inline SubBlock SubBlockOf(const tensor::BlockQ5_0& b, int) {
  return {16, tensor::FloatOfHalf(b.d), 0, false};
}
inline SubBlock SubBlockOf(const tensor::BlockQ5_1& b, int) {
  return {0, tensor::FloatOfHalf(b.d), tensor::FloatOfHalf(b.m), true};
}
inline SubBlock SubBlockOf(const tensor::BlockQ8_0& b, int) {
  return {128, tensor::FloatOfHalf(b.d), 0, false};
}
template <typename Block>
SubBlock ScaledSubBlock(const Block& b, int sub) {
  const tensor::SubScale scale = tensor::SubScaleOf(b.scales, sub);
  return {0, tensor::FloatOfHalf(b.d) * static_cast<float>(scale.scale),
          -(tensor::FloatOfHalf(b.dmin) * static_cast<float>(scale.minimum)), true};
}
inline SubBlock SubBlockOf(const tensor::BlockQ4_K& b, int sub) { return ScaledSubBlock(b, sub); }
inline SubBlock SubBlockOf(const tensor::BlockQ5_K& b, int sub) { return ScaledSubBlock(b, sub); }
inline SubBlock SubBlockOf(const tensor::BlockQ6_K& b, int sub) {
  return {32, tensor::FloatOfHalf(b.d) * static_cast<float>(b.scales[sub]), 0, false};
}

template <typename Block, int kValues, int kSub>
float BlockProduct(std::span<const std::byte> row, const float* x) {
  float acc = 0;
  for (std::size_t at = 0; at < row.size(); at += sizeof(Block), x += kValues) {
    Block block;
    std::memcpy(&block, row.data() + at, sizeof(block));
    std::uint8_t q[kValues];
    tensor::IntegersOf(block, q);
    for (int start = 0; start < kValues; start += kSub) {
      const ActivationBlock a = Quantise(x + start / 32 * 32);
      const SubBlock sub = SubBlockOf(block, start / kSub);
      int integer = 0;
      for (int i = start; i < start + kSub; ++i) integer += (q[i] - sub.offset) * a.q[i % 32];
      acc = std::fma(static_cast<float>(integer), sub.w * a.d, acc);
      if (sub.minima) acc = std::fma(sub.n, a.s, acc);
    }
  }
  return acc;
}

template <typename Element, float (*kConvert)(Element)>
float FloatProduct(std::span<const std::byte> row, const float* x) {
  float acc = 0;
  for (std::size_t k = 0; k < row.size() / sizeof(Element); ++k) {
    Element element;
    std::memcpy(&element, row.data() + k * sizeof(Element), sizeof(Element));
    acc = std::fma(kConvert(element), x[k], acc);
  }
  return acc;
}
inline float Same(float x) { return x; }

// One output: a stored weight row times a row of activations.
inline float Product(tensor::Format format, std::span<const std::byte> row, const float* x) {
  using tensor::Format;
  switch (format) {
    case Format::kF32: return FloatProduct<float, Same>(row, x);
    case Format::kF16: return FloatProduct<std::uint16_t, tensor::FloatOfHalf>(row, x);
    case Format::kBF16: return FloatProduct<std::uint16_t, tensor::FloatOfBf16>(row, x);
    case Format::kQ4_0: return BlockProduct<tensor::BlockQ4_0, 32, 32>(row, x);
    case Format::kQ4_1: return BlockProduct<tensor::BlockQ4_1, 32, 32>(row, x);
    case Format::kQ5_0: return BlockProduct<tensor::BlockQ5_0, 32, 32>(row, x);
    case Format::kQ5_1: return BlockProduct<tensor::BlockQ5_1, 32, 32>(row, x);
    case Format::kQ8_0: return BlockProduct<tensor::BlockQ8_0, 32, 32>(row, x);
    case Format::kQ4_K: return BlockProduct<tensor::BlockQ4_K, 256, 32>(row, x);
    case Format::kQ5_K: return BlockProduct<tensor::BlockQ5_K, 256, 32>(row, x);
    case Format::kQ6_K: return BlockProduct<tensor::BlockQ6_K, 256, 16>(row, x);
    default: return NAN;
  }
}

}  // namespace cairn::kernels::ref
