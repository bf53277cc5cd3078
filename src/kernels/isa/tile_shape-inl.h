// SPDX-License-Identifier: Apache-2.0
// Tiles: the rows of tile_table.h for the instruction set that a file is compiled for. A candidate
// of bench/tiles has the same shape for every format and no table. Included as lanes-inl.h is.
// Threads: constants.
#pragma once

#include "kernels/isa/tile_table.h"

namespace cairn::kernels::CAIRN_ISA {

#if defined(CAIRN_TILE_COLUMNS)
struct Tiles {
  static constexpr TileShape kF32{CAIRN_TILE_COLUMNS, CAIRN_TILE_PREFETCH};
  static constexpr TileShape kF16 = kF32, kBF16 = kF32, kQ4_0 = kF32, kQ4_1 = kF32, kQ5_0 = kF32,
                             kQ5_1 = kF32, kQ8_0 = kF32, kQ4_K = kF32, kQ5_K = kF32, kQ6_K = kF32,
                             kQ2_K = kF32, kQ3_K = kF32, kIQ4_NL = kF32, kIQ4_XS = kF32,
                             kMXFP4 = kF32, kNVFP4 = kF32, kTQ2_0 = kF32, kIQ1_S = kF32,
                             kIQ1_M = kF32, kIQ2_XXS = kF32, kIQ2_S = kF32, kIQ3_XXS = kF32,
                             kIQ3_S = kF32;
};
#elif defined(CAIRN_ISA_avx512)
using Tiles = Avx512Tiles;
#elif defined(CAIRN_ISA_avx_vnni)
using Tiles = AvxVnniTiles;
#elif defined(CAIRN_ISA_avx2)
using Tiles = Avx2Tiles;
#elif defined(CAIRN_ISA_neon)
using Tiles = NeonTiles;
#else
using Tiles = PortableTiles;
#endif

}  // namespace cairn::kernels::CAIRN_ISA
