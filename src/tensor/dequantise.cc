// SPDX-License-Identifier: Apache-2.0
#include "tensor/dequantise.h"

#include <fmt/format.h>

#include <cstring>

#include "tensor/blocks.h"
#include "tensor/coded_blocks.h"
#include "tensor/grid_blocks.h"
#include "tensor/half.h"

namespace cairn::tensor {
namespace {

void Values(const BlockQ4_0& b, const std::uint8_t* q, float* out) {
  const float d = FloatOfHalf(b.d);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] - 8);
}
void Values(const BlockQ4_1& b, const std::uint8_t* q, float* out) {
  const float d = FloatOfHalf(b.d), m = FloatOfHalf(b.m);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]) + m;
}
void Values(const BlockQ5_0& b, const std::uint8_t* q, float* out) {
  const float d = FloatOfHalf(b.d);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] - 16);
}
void Values(const BlockQ5_1& b, const std::uint8_t* q, float* out) {
  const float d = FloatOfHalf(b.d), m = FloatOfHalf(b.m);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]) + m;
}
void Values(const BlockQ8_0& b, const std::uint8_t* q, float* out) {
  const float d = FloatOfHalf(b.d);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(q[i] - 128) * d;
}
template <typename Block>
void ScaledValues(const Block& b, const std::uint8_t* q, float* out) {
  const float d = FloatOfHalf(b.d), dmin = FloatOfHalf(b.dmin);
  for (int i = 0; i < 256; ++i) {
    const SubScale sub = SubScaleOf(b.scales, i / 32);
    out[i] = d * static_cast<float>(sub.scale) * static_cast<float>(q[i]) -
             dmin * static_cast<float>(sub.minimum);
  }
}
void Values(const BlockQ4_K& b, const std::uint8_t* q, float* out) { ScaledValues(b, q, out); }
void Values(const BlockQ5_K& b, const std::uint8_t* q, float* out) { ScaledValues(b, q, out); }
void Values(const BlockQ6_K& b, const std::uint8_t* q, float* out) {
  const float d = FloatOfHalf(b.d);
  for (int i = 0; i < 256; ++i) {
    const int sub_block = i / 16;
    out[i] = d * static_cast<float>(b.scales[sub_block]) * static_cast<float>(q[i] - 32);
  }
}

// The formats of coded_blocks.h and grid_blocks.h.
template <typename Block>
requires requires(const Block& b) { ScaleOf(b, 0); }
void Values(const Block& b, const std::uint8_t* q, float* out) {
  for (int i = 0; i < Block::kValues; ++i) {
    out[i] = ScaleOf(b, i / Block::kSub) * static_cast<float>(WeightOf(b, i, q[i]));
    if constexpr (requires { MinimumOf(b, 0); }) out[i] -= MinimumOf(b, i / Block::kSub);
  }
}

template <typename Block, int kValues = Block::kValues>
void Blocks(std::span<const std::byte> stored, float* out) {
  for (std::size_t at = 0; at < stored.size(); at += sizeof(Block), out += kValues) {
    Block block;
    std::memcpy(&block, stored.data() + at, sizeof(block));
    std::uint8_t q[kValues];
    IntegersOf(block, q);
    Values(block, q, out);
  }
}

template <typename Stored, float (*kConvert)(Stored)>
void Floats(std::span<const std::byte> stored, float* out) {
  for (std::size_t at = 0; at < stored.size(); at += sizeof(Stored)) {
    Stored value;
    std::memcpy(&value, stored.data() + at, sizeof(value));
    *out++ = kConvert(value);
  }
}
constexpr float Same(float x) { return x; }

}  // namespace

Result<void> Dequantise(Format format, std::span<const std::byte> stored, std::span<float> out) {
  const FormatTraits& traits = Traits(format);
  const auto block = static_cast<std::size_t>(traits.block_bytes);
  if (stored.size() % block != 0 ||
      stored.size() / block * static_cast<std::size_t>(traits.block_values) != out.size()) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} bytes of {} do not hold {} values",
                                                         stored.size(), traits.name, out.size()));
  }
  switch (format) {
    case Format::kF32: Floats<float, Same>(stored, out.data()); return {};
    case Format::kF16: Floats<std::uint16_t, FloatOfHalf>(stored, out.data()); return {};
    case Format::kBF16: Floats<std::uint16_t, FloatOfBf16>(stored, out.data()); return {};
    case Format::kQ4_0: Blocks<BlockQ4_0, 32>(stored, out.data()); return {};
    case Format::kQ4_1: Blocks<BlockQ4_1, 32>(stored, out.data()); return {};
    case Format::kQ5_0: Blocks<BlockQ5_0, 32>(stored, out.data()); return {};
    case Format::kQ5_1: Blocks<BlockQ5_1, 32>(stored, out.data()); return {};
    case Format::kQ8_0: Blocks<BlockQ8_0, 32>(stored, out.data()); return {};
    case Format::kQ4_K: Blocks<BlockQ4_K, 256>(stored, out.data()); return {};
    case Format::kQ5_K: Blocks<BlockQ5_K, 256>(stored, out.data()); return {};
    case Format::kQ6_K: Blocks<BlockQ6_K, 256>(stored, out.data()); return {};
    case Format::kQ2_K: Blocks<BlockQ2_K>(stored, out.data()); return {};
    case Format::kQ3_K: Blocks<BlockQ3_K>(stored, out.data()); return {};
    case Format::kIQ4_NL: Blocks<BlockIQ4_NL>(stored, out.data()); return {};
    case Format::kIQ4_XS: Blocks<BlockIQ4_XS>(stored, out.data()); return {};
    case Format::kMXFP4: Blocks<BlockMXFP4>(stored, out.data()); return {};
    case Format::kNVFP4: Blocks<BlockNVFP4>(stored, out.data()); return {};
    case Format::kTQ1_0: Blocks<BlockTQ1_0>(stored, out.data()); return {};
    case Format::kTQ2_0: Blocks<BlockTQ2_0>(stored, out.data()); return {};
    case Format::kIQ1_S: Blocks<BlockIQ1_S>(stored, out.data()); return {};
    case Format::kIQ1_M: Blocks<BlockIQ1_M>(stored, out.data()); return {};
    case Format::kIQ2_XXS: Blocks<BlockIQ2_XXS>(stored, out.data()); return {};
    case Format::kIQ2_XS: Blocks<BlockIQ2_XS>(stored, out.data()); return {};
    case Format::kIQ2_S: Blocks<BlockIQ2_S>(stored, out.data()); return {};
    case Format::kIQ3_XXS: Blocks<BlockIQ3_XXS>(stored, out.data()); return {};
    case Format::kIQ3_S: Blocks<BlockIQ3_S>(stored, out.data()); return {};
    default:
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("{} cannot be read as weights", traits.name));
  }
}

}  // namespace cairn::tensor
