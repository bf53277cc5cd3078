// SPDX-License-Identifier: Apache-2.0
// How stored blocks lie in packed units (packed_layout.h): one description per block format, for
// the packer and for reading a row back. Only packed.cc includes this.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/packed_layout.h"
#include "tensor/blocks.h"
#include "tensor/coded_blocks.h"
#include "tensor/grid_blocks.h"
#include "tensor/half.h"

namespace cairn::kernels::packing {

// What the packer and UnpackRow need of a stored block. kBits of integers, where the scales go.
template <typename Block>
struct Description;

template <typename Block, int kBits_, bool kMinima_>
struct Simple {
  static constexpr int kBits = kBits_;
  static constexpr bool kMinima = kMinima_;
  static void PutHeader(const Block& b, int row, std::uint8_t* header) {
    std::memcpy(header + 2 * row, &b.d, 2);
    if constexpr (kMinima) std::memcpy(header + 32 + 2 * row, &b.m, 2);
  }
};
template <>
struct Description<tensor::BlockQ4_0> : Simple<tensor::BlockQ4_0, 4, false> {
  static constexpr UnitLayout kLayout = kQ4_0Layout;
};
template <>
struct Description<tensor::BlockQ4_1> : Simple<tensor::BlockQ4_1, 4, true> {
  static constexpr UnitLayout kLayout = kQ4_1Layout;
};
template <>
struct Description<tensor::BlockQ5_0> : Simple<tensor::BlockQ5_0, 5, false> {
  static constexpr UnitLayout kLayout = kQ5_0Layout;
};
template <>
struct Description<tensor::BlockQ5_1> : Simple<tensor::BlockQ5_1, 5, true> {
  static constexpr UnitLayout kLayout = kQ5_1Layout;
};
template <>
struct Description<tensor::BlockQ8_0> : Simple<tensor::BlockQ8_0, 8, false> {
  static constexpr UnitLayout kLayout = kQ8_0Layout;
};

template <typename Block, int kBits_>
struct WithSubScales {
  static constexpr int kBits = kBits_;
  static void PutHeader(const Block& b, int row, std::uint8_t* header) {
    std::memcpy(header + 2 * row, &b.d, 2);
    std::memcpy(header + 32 + 2 * row, &b.dmin, 2);
    for (int j = 0; j < 8; ++j) {
      const tensor::SubScale sub = tensor::SubScaleOf(b.scales, j);
      header[64 + 16 * j + row] = sub.scale;
      header[192 + 16 * j + row] = sub.minimum;
    }
  }
};
template <>
struct Description<tensor::BlockQ4_K> : WithSubScales<tensor::BlockQ4_K, 4> {
  static constexpr UnitLayout kLayout = kQ4_KLayout;
};
template <>
struct Description<tensor::BlockQ5_K> : WithSubScales<tensor::BlockQ5_K, 5> {
  static constexpr UnitLayout kLayout = kQ5_KLayout;
};
template <>
struct Description<tensor::BlockQ6_K> {
  static constexpr UnitLayout kLayout = kQ6_KLayout;
  static constexpr int kBits = 6;
  static void PutHeader(const tensor::BlockQ6_K& b, int row, std::uint8_t* header) {
    std::memcpy(header + 2 * row, &b.d, 2);
    for (int j = 0; j < 16; ++j) {
      header[32 + 16 * j + row] = static_cast<std::uint8_t>(b.scales[j]);
    }
  }
};

// --- formats of coded_blocks.h and grid_blocks.h ---------------------------------------------
//
// Beside the header they have Value: value k of a row of a unit whose code is given, with the
// operations of tensor::Dequantise.

inline void PutHalf(std::uint16_t bits, int row, std::uint8_t* at) {
  std::memcpy(at + 2 * row, &bits, 2);
}
inline float HalfAt(const std::uint8_t* at, int row) {
  std::uint16_t bits;
  std::memcpy(&bits, at + 2 * row, 2);
  return tensor::FloatOfHalf(bits);
}
// Byte `index` of a row in an array [][16] at `at`.
inline std::uint8_t& ByteAt(std::uint8_t* at, int index, int row) { return at[16 * index + row]; }
inline int ByteAt(const std::uint8_t* at, int index, int row) { return at[16 * index + row]; }

template <>
struct Description<tensor::BlockQ2_K> {
  static constexpr UnitLayout kLayout = kQ2_KLayout;
  static constexpr int kBits = 2;
  static void PutHeader(const tensor::BlockQ2_K& b, int row, std::uint8_t* unit) {
    PutHalf(b.d, row, unit);
    PutHalf(b.dmin, row, unit + 32);
    for (int g = 0; g < 16; ++g) ByteAt(unit + 64, g, row) = b.scales[g];
  }
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    const int scale = ByteAt(unit + 64, k / 16, row);
    return HalfAt(unit, row) * static_cast<float>(scale & 15) * static_cast<float>(code) -
           HalfAt(unit + 32, row) * static_cast<float>(scale >> 4);
  }
};

// d and int8 scales of sub-blocks.
template <typename Block, int kSubBlocks>
struct WithSignedScales {
  static void PutHeader(const Block& b, int row, std::uint8_t* unit) {
    PutHalf(b.d, row, unit);
    for (int g = 0; g < kSubBlocks; ++g) {
      ByteAt(unit + 32, g, row) = static_cast<std::uint8_t>(SubScaleOf(b, g));
    }
  }
  static float Scale(const std::uint8_t* unit, int row, int k) {
    const int scale = ByteAt(unit + 32, k * kSubBlocks / 256, row);
    return HalfAt(unit, row) * static_cast<float>(static_cast<std::int8_t>(scale));
  }
};
template <>
struct Description<tensor::BlockQ3_K> : WithSignedScales<tensor::BlockQ3_K, 16> {
  static constexpr UnitLayout kLayout = kQ3_KLayout;
  static constexpr int kBits = 3;
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    return Scale(unit, row, k) * static_cast<float>(code - 4);
  }
};
template <>
struct Description<tensor::BlockIQ4_XS> : WithSignedScales<tensor::BlockIQ4_XS, 8> {
  static constexpr UnitLayout kLayout = kIQ4_XSLayout;
  static constexpr int kBits = 4;
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    return Scale(unit, row, k) * static_cast<float>(tensor::kIq4Values.of[code]);
  }
};
template <>
struct Description<tensor::BlockIQ4_NL> {
  static constexpr UnitLayout kLayout = kIQ4_NLLayout;
  static constexpr int kBits = 4;
  static void PutHeader(const tensor::BlockIQ4_NL& b, int row, std::uint8_t* unit) {
    PutHalf(b.d, row, unit);
  }
  static float Value(const std::uint8_t* unit, int row, int, int code) {
    return HalfAt(unit, row) * static_cast<float>(tensor::kIq4Values.of[code]);
  }
};
template <>
struct Description<tensor::BlockMXFP4> {
  static constexpr UnitLayout kLayout = kMXFP4Layout;
  static constexpr int kBits = 4;
  static void PutHeader(const tensor::BlockMXFP4& b, int row, std::uint8_t* unit) {
    ByteAt(unit, 0, row) = b.e;
  }
  static float Value(const std::uint8_t* unit, int row, int, int code) {
    return tensor::FloatOfE8M0Half(unit[row]) * static_cast<float>(tensor::kFp4Values.of[code]);
  }
};
// Scales without a sign, and 0 for what is not a number: the kernel reads plain exponents.
template <>
struct Description<tensor::BlockNVFP4> {
  static constexpr UnitLayout kLayout = kNVFP4Layout;
  static constexpr int kBits = 4;
  static void PutHeader(const tensor::BlockNVFP4& b, int row, std::uint8_t* unit) {
    for (int g = 0; g < 4; ++g) {
      ByteAt(unit, g, row) = b.d[g] == 0x7f ? 0 : static_cast<std::uint8_t>(b.d[g] & 0x7f);
    }
  }
  // The largest one came with a sign bit: 0x7f itself has become 0.
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    const int d = ByteAt(unit, k / 16, row);
    return tensor::HalfOfE4M3(static_cast<std::uint8_t>(d | 0x80)) *
           static_cast<float>(tensor::kFp4Values.of[code]);
  }
};

template <typename Block>
struct Ternary {
  static constexpr UnitLayout kLayout = kTQ2_0Layout;
  static constexpr int kBits = 2;
  static void PutHeader(const Block& b, int row, std::uint8_t* unit) { PutHalf(b.d, row, unit); }
  static float Value(const std::uint8_t* unit, int row, int, int code) {
    return HalfAt(unit, row) * static_cast<float>(code - 1);
  }
};
template <>
struct Description<tensor::BlockTQ1_0> : Ternary<tensor::BlockTQ1_0> {};
template <>
struct Description<tensor::BlockTQ2_0> : Ternary<tensor::BlockTQ2_0> {};

// d and a factor 2 s + 1 for each 32 values.
template <typename Block, int kDigits, const tensor::CodeValues& kValues>
struct GridOf32 {
  static constexpr int kBits = kDigits + 1;
  static void PutHeader(const Block& b, int row, std::uint8_t* unit) {
    PutHalf(b.d, row, unit);
    for (int g = 0; g < 8; ++g) {
      ByteAt(unit + 32, g, row) = static_cast<std::uint8_t>(2 * SubScaleOf(b, g) + 1);
    }
  }
  static float Value(const std::uint8_t* unit, int row, int k, int code, float part) {
    return HalfAt(unit, row) * static_cast<float>(ByteAt(unit + 32, k / 32, row)) * part *
           static_cast<float>(kValues.of[code]);
  }
};
template <>
struct Description<tensor::BlockIQ2_XXS> : GridOf32<tensor::BlockIQ2_XXS, 2, tensor::kIq2Values> {
  static constexpr UnitLayout kLayout = kIQ2_XXSLayout;
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    return GridOf32::Value(unit, row, k, code, 0.125f);
  }
};
template <>
struct Description<tensor::BlockIQ3_XXS>
    : GridOf32<tensor::BlockIQ3_XXS, 3, tensor::kIq3XxsValues> {
  static constexpr UnitLayout kLayout = kIQ3_XXSLayout;
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    return GridOf32::Value(unit, row, k, code, 0.25f);
  }
};
template <>
struct Description<tensor::BlockIQ3_S> : GridOf32<tensor::BlockIQ3_S, 3, tensor::kIq3SValues> {
  static constexpr UnitLayout kLayout = kIQ3_SLayout;
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    return GridOf32::Value(unit, row, k, code, 1.0f);
  }
};

// d and a nibble s for each 16 values.
template <typename Block>
struct GridOf16 {
  static void PutHeader(const Block& b, int row, std::uint8_t* unit) {
    PutHalf(HalfScaleOf(b), row, unit);
    for (int j = 0; j < 8; ++j) {
      ByteAt(unit + 32, j, row) =
          static_cast<std::uint8_t>(SubScaleOf(b, 2 * j) | SubScaleOf(b, 2 * j + 1) << 4);
    }
  }
  static float Scale(const std::uint8_t* unit, int row, int k) {
    const int s = ByteAt(unit + 32, k / 32, row) >> (k / 16 % 2 * 4) & 15;
    return HalfAt(unit, row) * static_cast<float>(2 * s + 1) * 0.125f;
  }
};
template <typename Block>
struct Grid2Of16 : GridOf16<Block> {
  static constexpr UnitLayout kLayout = kIQ2_SLayout;
  static constexpr int kBits = 3;
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    return GridOf16<Block>::Scale(unit, row, k) * static_cast<float>(tensor::kIq2Values.of[code]);
  }
};
template <>
struct Description<tensor::BlockIQ2_XS> : Grid2Of16<tensor::BlockIQ2_XS> {};
template <>
struct Description<tensor::BlockIQ2_S> : Grid2Of16<tensor::BlockIQ2_S> {};

template <>
struct Description<tensor::BlockIQ1_S> {
  static constexpr UnitLayout kLayout = kIQ1_SLayout;
  static constexpr int kBits = 2;
  static void PutHeader(const tensor::BlockIQ1_S& b, int row, std::uint8_t* unit) {
    PutHalf(b.d, row, unit);
    for (int g = 0; g < 8; ++g) {
      const int raised = LowersGroup(b, 32 * g) ? 0 : 0x80;
      ByteAt(unit + 32, g, row) = static_cast<std::uint8_t>((2 * SubScaleOf(b, g) + 1) | raised);
    }
  }
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    const int byte = ByteAt(unit + 32, k / 32, row);
    const int weight = 8 * (code - 1) + ((byte & 0x80) != 0 ? 1 : -1);
    return HalfAt(unit, row) * static_cast<float>(byte & 0x7f) * 0.125f *
           static_cast<float>(weight);
  }
};
template <>
struct Description<tensor::BlockIQ1_M> : GridOf16<tensor::BlockIQ1_M> {
  static constexpr UnitLayout kLayout = kIQ1_MLayout;
  static constexpr int kBits = 2;
  static void PutHeader(const tensor::BlockIQ1_M& b, int row, std::uint8_t* unit) {
    GridOf16::PutHeader(b, row, unit);
    for (int i = 0; i < 256; i += 8) {
      if (!LowersGroup(b, i)) {
        ByteAt(unit + 160, i / 32, row) |= static_cast<std::uint8_t>(1 << i / 8 % 4);
      }
    }
  }
  static float Value(const std::uint8_t* unit, int row, int k, int code) {
    const bool raised = (ByteAt(unit + 160, k / 32, row) >> (k / 8 % 4) & 1) != 0;
    const int weight = 8 * (code - 1) + (raised ? 1 : -1);
    return Scale(unit, row, k) * static_cast<float>(weight);
  }
};

}  // namespace cairn::kernels::packing
