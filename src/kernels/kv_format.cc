// SPDX-License-Identifier: Apache-2.0
// What is known of the formats of keys and values without any kernel.
#include <cstring>

#include "kernels/kernels.h"

namespace cairn::kernels {
namespace {

constexpr std::size_t kTile = kTilePositions;

// Zeroes columns [first, kTile) of `rows` rows of kTile elements.
void ClearColumns(std::byte* at, std::size_t rows, std::size_t element, std::size_t first) {
  for (std::size_t r = 0; r < rows; ++r, at += kTile * element) {
    std::memset(at + first * element, 0, (kTile - first) * element);
  }
}

void ClearFloats(std::size_t element, std::size_t dim, std::size_t first, std::byte* head) {
  ClearColumns(head, dim, element, first);
  std::byte* values = head + dim * kTile * element;
  std::memset(values + first * dim * element, 0, (kTile - first) * dim * element);
}

void ClearQ8(std::size_t dim, std::size_t first, std::byte* head) {
  constexpr std::size_t kQuad =
      4;  // bytes that lie together: channels of a key, values of a channel
  ClearColumns(head, dim / kQuad, kQuad, first);
  std::byte* values = head + dim * kTile;
  for (std::size_t p = first; p < kTile; ++p) {
    for (std::size_t c = 0; c < dim; ++c) {
      values[(p / kQuad * dim + c) * kQuad + p % kQuad] = std::byte{0};
    }
  }
  ClearColumns(values + dim * kTile, 2, sizeof(float), first);
}

}  // namespace

std::string_view KvFormatName(KvFormat format) {
  switch (format) {
    case KvFormat::kF32: return "f32";
    case KvFormat::kF16: return "f16";
    case KvFormat::kQ8: return "q8";
  }
  return "";
}

std::optional<KvFormat> KvFormatOfName(std::string_view name) {
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8}) {
    if (KvFormatName(format) == name) return format;
  }
  return std::nullopt;
}

void ClearPositions(KvFormat format, int head_dim, int heads, int first, std::byte* layer) {
  const auto dim = static_cast<std::size_t>(head_dim);
  const auto from = static_cast<std::size_t>(first);
  for (int h = 0; h < heads; ++h, layer += KvHeadBytes(format, head_dim)) {
    switch (format) {
      case KvFormat::kF32: ClearFloats(4, dim, from, layer); break;
      case KvFormat::kF16: ClearFloats(2, dim, from, layer); break;
      case KvFormat::kQ8: ClearQ8(dim, from, layer); break;
    }
  }
}

}  // namespace cairn::kernels
