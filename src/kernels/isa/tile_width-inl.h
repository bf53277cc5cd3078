// SPDX-License-Identifier: Apache-2.0
// From a number of rows to a tile whose width the compiler knows.
// Threads: pure functions.
#pragma once

#include "kernels/isa/lanes-inl.h"
#include "kernels/packed_layout.h"

namespace cairn::kernels::CAIRN_ISA {

// visit.template operator()<w>() for the width w of a tile of `rows` rows, 1 to kMostTileRows.
template <typename F>
CAIRN_INLINE auto WithTileWidth(int rows, F visit) {
  switch (TileWidth(rows)) {
    case 1: return visit.template operator()<1>();
    case 2: return visit.template operator()<2>();
    case 3: return visit.template operator()<3>();
    case 4: return visit.template operator()<4>();
    case 6: return visit.template operator()<6>();
    case 8: return visit.template operator()<8>();
    default: return visit.template operator()<kMostTileRows>();
  }
}

}  // namespace cairn::kernels::CAIRN_ISA
