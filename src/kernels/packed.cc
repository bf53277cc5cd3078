// SPDX-License-Identifier: Apache-2.0
#include "kernels/packed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked.h"
#include "kernels/packed_forms.h"
#include "tensor/half.h"

namespace cairn::kernels {
namespace {

using tensor::Format;

using namespace packing;  // NOLINT(google-build-using-namespace)

// --- packing --------------------------------------------------------------------------------

// Ors four integers (one quad) into the block at `to`.
template <int kBits>
void PutQuad(int j, int row, const std::uint8_t* q, std::uint8_t* to) {
  std::uint32_t quad;
  std::memcpy(&quad, q, 4);
  const auto merge = [&](int vector, std::uint32_t bits) {
    std::uint32_t word;
    std::memcpy(&word, to + 64 * vector + 4 * row, 4);
    word |= bits;
    std::memcpy(to + 64 * vector + 4 * row, &word, 4);
  };
  if constexpr (kBits == 8) {
    merge(j, quad);
  } else if constexpr (kBits <= 3) {
    if constexpr (kBits == 3) merge(0, (quad >> 2 & 0x01010101u) << j);
    merge(kBits - 2 + j / 4, (quad & 0x03030303u) << (2 * (j % 4)));
  } else {
    constexpr int kHigh = kBits - 4;  // vectors of high bits before the nibbles: 0, 1 or 2
    merge(kHigh + j % 4, (quad & 0x0f0f0f0fu) << (j < 4 ? 0 : 4));
    if constexpr (kBits == 5) merge(0, (quad >> 4 & 0x01010101u) << j);
    if constexpr (kBits == 6) merge(j / 4, (quad >> 4 & 0x03030303u) << (2 * (j % 4)));
  }
}

template <int kBits>
void GetQuad(int j, int row, const std::uint8_t* from, std::uint8_t* q) {
  const auto word = [&](int vector) {
    std::uint32_t bits;
    std::memcpy(&bits, from + 64 * vector + 4 * row, 4);
    return bits;
  };
  std::uint32_t quad;
  if constexpr (kBits == 8) {
    quad = word(j);
  } else if constexpr (kBits <= 3) {
    quad = word(kBits - 2 + j / 4) >> (2 * (j % 4)) & 0x03030303u;
    if constexpr (kBits == 3) quad |= (word(0) >> j & 0x01010101u) << 2;
  } else {
    constexpr int kHigh = kBits - 4;
    quad = word(kHigh + j % 4) >> (j < 4 ? 0 : 4) & 0x0f0f0f0fu;
    if constexpr (kBits == 5) quad |= (word(0) >> j & 0x01010101u) << 4;
    if constexpr (kBits == 6) quad |= (word(j / 4) >> (2 * (j % 4)) & 0x03030303u) << 4;
  }
  std::memcpy(q, &quad, 4);
}

// Packs the rows that `stored` holds of `groups` groups; `packed` is zero before.
template <typename Block>
void PackBlocks(std::span<const std::byte> stored, int cols, int groups, std::size_t group_bytes,
                std::byte* packed) {
  using D = Description<Block>;
  const int units = cols / D::kLayout.values;
  const std::size_t row_bytes = static_cast<std::size_t>(units) * sizeof(Block);
  const int rows = static_cast<int>(stored.size() / row_bytes);
  for (int row = 0; row < std::min(rows, groups * kGroupRows); ++row) {
    auto* to = reinterpret_cast<std::uint8_t*>(packed) +
               static_cast<std::size_t>(row / kGroupRows) * group_bytes;
    const std::byte* from = stored.data() + static_cast<std::size_t>(row) * row_bytes;
    for (int u = 0; u < units; ++u, to += D::kLayout.bytes(), from += sizeof(Block)) {
      Block block;
      std::memcpy(&block, from, sizeof(block));
      std::uint8_t q[D::kLayout.values];
      tensor::IntegersOf(block, q);
      D::PutHeader(block, row % kGroupRows, to);
      for (int at = 0; at < D::kLayout.values; at += 4) {
        PutQuad<D::kBits>(
            at % kBlockValues / 4, row % kGroupRows, q + at,
            to + D::kLayout.header_bytes + at / kBlockValues * D::kLayout.block_bytes);
      }
    }
  }
}

template <typename Element>
void PackFloats(std::span<const std::byte> stored, int cols, int groups, std::size_t group_bytes,
                std::byte* packed) {
  const std::size_t row_bytes = static_cast<std::size_t>(cols) * sizeof(Element);
  const int rows = std::min(static_cast<int>(stored.size() / row_bytes), groups * kGroupRows);
  for (int row = 0; row < rows; ++row) {
    std::byte* to = packed + static_cast<std::size_t>(row / kGroupRows) * group_bytes +
                    static_cast<std::size_t>(row % kGroupRows) * sizeof(Element);
    const std::byte* from = stored.data() + static_cast<std::size_t>(row) * row_bytes;
    for (int k = 0; k < cols; ++k) {
      std::memcpy(to + static_cast<std::size_t>(k) * kGroupRows * sizeof(Element),
                  from + static_cast<std::size_t>(k) * sizeof(Element), sizeof(Element));
    }
  }
}

// --- reading a row back ---------------------------------------------------------------------

template <typename Block>
void UnpackBlocks(const std::byte* group, int row, int cols, float scale, float* out) {
  using D = Description<Block>;
  const auto* from = reinterpret_cast<const std::uint8_t*>(group);
  const auto half = [&](int offset) {
    std::uint16_t bits;
    std::memcpy(&bits, from + offset + 2 * row, 2);
    return tensor::FloatOfHalf(bits);
  };
  for (int k = 0; k < cols; k += D::kLayout.values, from += D::kLayout.bytes()) {
    [[maybe_unused]] const float d = half(0);
    for (int at = 0; at < D::kLayout.values; at += 4, out += 4) {
      std::uint8_t q[4];
      GetQuad<D::kBits>(at % kBlockValues / 4, row,
                        from + D::kLayout.header_bytes + at / kBlockValues * D::kLayout.block_bytes,
                        q);
      for (int i = 0; i < 4; ++i) {
        const int sub32 = at / 32, sub16 = at / 16;
        float value;
        if constexpr (requires { D::Value(from, row, at, q[i]); }) {
          value = D::Value(from, row, at + i, q[i]);
        } else if constexpr (std::is_same_v<Block, tensor::BlockQ6_K>) {
          const auto sc = static_cast<std::int8_t>(from[32 + 16 * sub16 + row]);
          value = d * static_cast<float>(sc) * static_cast<float>(q[i] - 32);
        } else if constexpr (D::kLayout.values == 256) {
          value = d * static_cast<float>(from[64 + 16 * sub32 + row]) * static_cast<float>(q[i]) -
                  half(32) * static_cast<float>(from[192 + 16 * sub32 + row]);
        } else if constexpr (D::kMinima) {
          value = d * static_cast<float>(q[i]) + half(32);
        } else {
          constexpr int kOffset = D::kBits == 8 ? 128 : 1 << (D::kBits - 1);
          value = d * static_cast<float>(q[i] - kOffset);
        }
        out[i] = value * scale;
      }
    }
  }
}

template <typename Element, float (*kConvert)(Element)>
void UnpackFloats(const std::byte* group, int row, int cols, float scale, float* out) {
  for (int k = 0; k < cols; ++k) {
    Element value;
    std::memcpy(&value,
                group + (static_cast<std::size_t>(k) * kGroupRows + static_cast<std::size_t>(row)) *
                            sizeof(Element),
                sizeof(Element));
    out[k] = kConvert(value) * scale;
  }
}
constexpr float Same(float x) { return x; }

// --- the table ------------------------------------------------------------------------------

struct Packer {
  Format format;
  const UnitLayout* layout;  // null: floats
  void (*pack)(std::span<const std::byte>, int, int, std::size_t, std::byte*);
  void (*unpack)(const std::byte*, int, int, float, float*);
};
template <typename Block>
constexpr Packer BlockPacker(Format format) {
  return {format, &Description<Block>::kLayout, PackBlocks<Block>, UnpackBlocks<Block>};
}
constexpr Packer kPackers[] = {
    {Format::kF32, nullptr, PackFloats<float>, UnpackFloats<float, Same>},
    {Format::kF16, nullptr, PackFloats<std::uint16_t>,
     UnpackFloats<std::uint16_t, tensor::FloatOfHalf>},
    {Format::kBF16, nullptr, PackFloats<std::uint16_t>,
     UnpackFloats<std::uint16_t, tensor::FloatOfBf16>},
    BlockPacker<tensor::BlockQ4_0>(Format::kQ4_0),
    BlockPacker<tensor::BlockQ4_1>(Format::kQ4_1),
    BlockPacker<tensor::BlockQ5_0>(Format::kQ5_0),
    BlockPacker<tensor::BlockQ5_1>(Format::kQ5_1),
    BlockPacker<tensor::BlockQ8_0>(Format::kQ8_0),
    BlockPacker<tensor::BlockQ4_K>(Format::kQ4_K),
    BlockPacker<tensor::BlockQ5_K>(Format::kQ5_K),
    BlockPacker<tensor::BlockQ6_K>(Format::kQ6_K),
    BlockPacker<tensor::BlockQ2_K>(Format::kQ2_K),
    BlockPacker<tensor::BlockQ3_K>(Format::kQ3_K),
    BlockPacker<tensor::BlockIQ4_NL>(Format::kIQ4_NL),
    BlockPacker<tensor::BlockIQ4_XS>(Format::kIQ4_XS),
    BlockPacker<tensor::BlockMXFP4>(Format::kMXFP4),
    BlockPacker<tensor::BlockNVFP4>(Format::kNVFP4),
    BlockPacker<tensor::BlockTQ1_0>(Format::kTQ1_0),
    BlockPacker<tensor::BlockTQ2_0>(Format::kTQ2_0),
    BlockPacker<tensor::BlockIQ1_S>(Format::kIQ1_S),
    BlockPacker<tensor::BlockIQ1_M>(Format::kIQ1_M),
    BlockPacker<tensor::BlockIQ2_XXS>(Format::kIQ2_XXS),
    BlockPacker<tensor::BlockIQ2_XS>(Format::kIQ2_XS),
    BlockPacker<tensor::BlockIQ2_S>(Format::kIQ2_S),
    BlockPacker<tensor::BlockIQ3_XXS>(Format::kIQ3_XXS),
    BlockPacker<tensor::BlockIQ3_S>(Format::kIQ3_S),
};

const Packer* PackerOf(Format format) {
  const auto* found = std::ranges::find(kPackers, format, &Packer::format);
  return found == std::end(kPackers) ? nullptr : found;
}

}  // namespace

ActivationKind ActivationOf(Format format) {
  return tensor::Traits(format).block_values > 1 ? ActivationKind::kInt8 : ActivationKind::kFloat;
}

std::size_t PackedTileBytes(ActivationKind kind, int cols) {
  const auto values = static_cast<std::size_t>(cols) * kTileRows;
  const std::size_t bytes = kind == ActivationKind::kFloat
                                ? values * sizeof(float)
                                : values / kBlockValues * kActivationBlockBytes;
  return RoundUp<std::size_t>(bytes, 64);
}

std::size_t PackedRowsBytes(ActivationKind kind, int rows, int cols) {
  return static_cast<std::size_t>(DivideUp(rows, kTileRows)) * PackedTileBytes(kind, cols);
}

std::size_t PackedGroupBytes(Format format, int cols) {
  const Packer* packer = PackerOf(format);
  CAIRN_CHECK(packer != nullptr);
  const auto k = static_cast<std::size_t>(cols);
  const std::size_t bytes =
      packer->layout == nullptr
          ? k * kGroupRows * static_cast<std::size_t>(tensor::Traits(format).block_bytes)
          : k / static_cast<std::size_t>(packer->layout->values) *
                static_cast<std::size_t>(packer->layout->bytes());
  return RoundUp<std::size_t>(bytes, 64);
}

Result<void> PackGroups(Format format, int cols, std::span<const std::byte> stored, int group_count,
                        std::span<std::byte> packed) {
  const Packer* packer = PackerOf(format);
  const tensor::FormatTraits& traits = tensor::Traits(format);
  if (packer == nullptr) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} weights cannot be multiplied", traits.name));
  }
  if (cols <= 0 || cols % traits.block_values != 0 ||
      stored.size() % tensor::RowBytes(format, static_cast<std::size_t>(cols)) != 0) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} rows of {} values do not fit {} bytes",
                                                         traits.name, cols, stored.size()));
  }
  const std::size_t group_bytes = PackedGroupBytes(format, cols);
  CAIRN_CHECK(packed.size() == group_bytes * static_cast<std::size_t>(group_count));
  std::ranges::fill(packed, std::byte{0});
  packer->pack(stored, cols, group_count, group_bytes, packed.data());
  return {};
}

void UnpackRow(const PackedMatrix& weights, int index, float scale, float* out) {
  CAIRN_CHECK(index >= 0 && index < weights.rows);
  const std::byte* group =
      weights.data + static_cast<std::size_t>(index / kGroupRows) * weights.group_bytes;
  PackerOf(weights.format)->unpack(group, index % kGroupRows, weights.cols, scale, out);
}

}  // namespace cairn::kernels
