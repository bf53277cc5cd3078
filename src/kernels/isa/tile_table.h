// SPDX-License-Identifier: Apache-2.0
// The shape of a matmul's tile by instruction set and format. Written by `make tiles`, which
// measures candidates (bench/tiles/tile_table.cc) and replaces the rows of the instruction sets
// that its machine has. A shape changes speed and no byte of a result. Threads: constants.
#pragma once

namespace cairn::kernels {

struct TileShape {
  int columns;         // activation rows whose running sums stay in registers
  int prefetch_bytes;  // how far ahead of the walk through the weights a tile asks for lines
};

struct Avx512Tiles {
  static constexpr TileShape kF32{12, 0};
  static constexpr TileShape kF16{12, 0};
  static constexpr TileShape kBF16{12, 0};
  static constexpr TileShape kQ4_0{12, 4096};
  static constexpr TileShape kQ4_1{12, 4096};
  static constexpr TileShape kQ5_0{12, 4096};
  static constexpr TileShape kQ5_1{12, 4096};
  static constexpr TileShape kQ8_0{12, 4096};
  static constexpr TileShape kQ4_K{12, 4096};
  static constexpr TileShape kQ5_K{12, 4096};
  static constexpr TileShape kQ6_K{12, 4096};
  static constexpr TileShape kQ2_K{12, 4096};
  static constexpr TileShape kQ3_K{12, 4096};
  static constexpr TileShape kIQ4_NL{12, 4096};
  static constexpr TileShape kIQ4_XS{12, 4096};
  static constexpr TileShape kMXFP4{12, 4096};
  static constexpr TileShape kNVFP4{12, 4096};
  static constexpr TileShape kTQ2_0{12, 4096};
  static constexpr TileShape kIQ1_S{12, 4096};
  static constexpr TileShape kIQ1_M{12, 4096};
  static constexpr TileShape kIQ2_XXS{12, 4096};
  static constexpr TileShape kIQ2_S{12, 4096};
  static constexpr TileShape kIQ3_XXS{12, 4096};
  static constexpr TileShape kIQ3_S{12, 4096};
};

struct Avx2Tiles {
  static constexpr TileShape kF32{6, 0};
  static constexpr TileShape kF16{6, 0};
  static constexpr TileShape kBF16{6, 0};
  static constexpr TileShape kQ4_0{4, 8192};
  static constexpr TileShape kQ4_1{4, 4096};
  static constexpr TileShape kQ5_0{4, 4096};
  static constexpr TileShape kQ5_1{6, 4096};
  static constexpr TileShape kQ8_0{4, 8192};
  static constexpr TileShape kQ4_K{4, 4096};
  static constexpr TileShape kQ5_K{6, 4096};
  static constexpr TileShape kQ6_K{6, 4096};
  static constexpr TileShape kQ2_K{4, 4096};
  static constexpr TileShape kQ3_K{4, 4096};
  static constexpr TileShape kIQ4_NL{4, 4096};
  static constexpr TileShape kIQ4_XS{4, 4096};
  static constexpr TileShape kMXFP4{4, 4096};
  static constexpr TileShape kNVFP4{4, 4096};
  static constexpr TileShape kTQ2_0{4, 4096};
  static constexpr TileShape kIQ1_S{4, 4096};
  static constexpr TileShape kIQ1_M{4, 4096};
  static constexpr TileShape kIQ2_XXS{4, 4096};
  static constexpr TileShape kIQ2_S{4, 4096};
  static constexpr TileShape kIQ3_XXS{4, 4096};
  static constexpr TileShape kIQ3_S{4, 4096};
};

struct AvxVnniTiles {
  static constexpr TileShape kF32{6, 0};
  static constexpr TileShape kF16{6, 0};
  static constexpr TileShape kBF16{6, 0};
  static constexpr TileShape kQ4_0{4, 4096};
  static constexpr TileShape kQ4_1{4, 4096};
  static constexpr TileShape kQ5_0{4, 4096};
  static constexpr TileShape kQ5_1{6, 4096};
  static constexpr TileShape kQ8_0{4, 4096};
  static constexpr TileShape kQ4_K{4, 4096};
  static constexpr TileShape kQ5_K{6, 4096};
  static constexpr TileShape kQ6_K{6, 4096};
  static constexpr TileShape kQ2_K{4, 4096};
  static constexpr TileShape kQ3_K{4, 4096};
  static constexpr TileShape kIQ4_NL{4, 4096};
  static constexpr TileShape kIQ4_XS{4, 4096};
  static constexpr TileShape kMXFP4{4, 4096};
  static constexpr TileShape kNVFP4{4, 4096};
  static constexpr TileShape kTQ2_0{4, 4096};
  static constexpr TileShape kIQ1_S{4, 4096};
  static constexpr TileShape kIQ1_M{4, 4096};
  static constexpr TileShape kIQ2_XXS{4, 4096};
  static constexpr TileShape kIQ2_S{4, 4096};
  static constexpr TileShape kIQ3_XXS{4, 4096};
  static constexpr TileShape kIQ3_S{4, 4096};
};

struct NeonTiles {
  static constexpr TileShape kF32{12, 0};
  static constexpr TileShape kF16{12, 0};
  static constexpr TileShape kBF16{12, 0};
  static constexpr TileShape kQ4_0{12, 4096};
  static constexpr TileShape kQ4_1{12, 4096};
  static constexpr TileShape kQ5_0{12, 4096};
  static constexpr TileShape kQ5_1{12, 4096};
  static constexpr TileShape kQ8_0{12, 4096};
  static constexpr TileShape kQ4_K{12, 4096};
  static constexpr TileShape kQ5_K{12, 4096};
  static constexpr TileShape kQ6_K{12, 4096};
  static constexpr TileShape kQ2_K{12, 4096};
  static constexpr TileShape kQ3_K{12, 4096};
  static constexpr TileShape kIQ4_NL{12, 4096};
  static constexpr TileShape kIQ4_XS{12, 4096};
  static constexpr TileShape kMXFP4{12, 4096};
  static constexpr TileShape kNVFP4{12, 4096};
  static constexpr TileShape kTQ2_0{12, 4096};
  static constexpr TileShape kIQ1_S{12, 4096};
  static constexpr TileShape kIQ1_M{12, 4096};
  static constexpr TileShape kIQ2_XXS{12, 4096};
  static constexpr TileShape kIQ2_S{12, 4096};
  static constexpr TileShape kIQ3_XXS{12, 4096};
  static constexpr TileShape kIQ3_S{12, 4096};
};

struct PortableTiles {
  static constexpr TileShape kF32{6, 0};
  static constexpr TileShape kF16{6, 0};
  static constexpr TileShape kBF16{6, 0};
  static constexpr TileShape kQ4_0{4, 4096};
  static constexpr TileShape kQ4_1{4, 4096};
  static constexpr TileShape kQ5_0{6, 4096};
  static constexpr TileShape kQ5_1{4, 4096};
  static constexpr TileShape kQ8_0{4, 4096};
  static constexpr TileShape kQ4_K{6, 4096};
  static constexpr TileShape kQ5_K{6, 4096};
  static constexpr TileShape kQ6_K{6, 4096};
  static constexpr TileShape kQ2_K{4, 4096};
  static constexpr TileShape kQ3_K{4, 4096};
  static constexpr TileShape kIQ4_NL{4, 4096};
  static constexpr TileShape kIQ4_XS{4, 4096};
  static constexpr TileShape kMXFP4{4, 4096};
  static constexpr TileShape kNVFP4{4, 4096};
  static constexpr TileShape kTQ2_0{4, 4096};
  static constexpr TileShape kIQ1_S{4, 4096};
  static constexpr TileShape kIQ1_M{4, 4096};
  static constexpr TileShape kIQ2_XXS{4, 4096};
  static constexpr TileShape kIQ2_S{4, 4096};
  static constexpr TileShape kIQ3_XXS{4, 4096};
  static constexpr TileShape kIQ3_S{4, 4096};
};

}  // namespace cairn::kernels
