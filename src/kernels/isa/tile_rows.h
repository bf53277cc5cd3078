// SPDX-License-Identifier: Apache-2.0
// The rows that the weights of a group meet in one call of a tile (functions.h).
// Threads: a value; what it points to belongs to the caller.
#pragma once

#include <cstddef>

namespace cairn::kernels {

struct TileRows {
  const std::byte* packed = nullptr;  // a packed tile
  int rows = 0;                       // of it, 1 to kMostTileRows
  float* out = nullptr;               // 16 products of row r at out + r * stride
  std::ptrdiff_t stride = 0;
  // The calls that a group has for all rows, and which of them this is. Each asks for its share of
  // the next group's weights, so that memory is busy all the time; one call alone asks as far ahead
  // as the format's shape says.
  int call = 0, calls = 1;
};

}  // namespace cairn::kernels
