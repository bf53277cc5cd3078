// SPDX-License-Identifier: Apache-2.0
// The bytes of packed weights and packed activations, shared by the packer (packed.cc) and the
// kernels (isa/). Constants only: this header is compiled for every instruction set.
// Threads: constants.
//
// Weights. A group holds 16 rows; along K it is a run of units. A unit is one stored block of each
// row: a header with the rows' scales, then the integers in blocks of 32 values of K.
//   header   f16 d[16]; with minima f16 m[16] (dmin for K formats);
//            Q4_K, Q5_K: u8 scale[8][16], u8 minimum[8][16]; Q6_K, Q3_K: s8 scale[16][16]
//            Q2_K: u8 scale[16][16], the minimum in its high nibble; IQ4_XS: s8 scale[8][16]
//            MXFP4: only u8 e[16]; NVFP4: only u8 d[4][16]
//            grid formats: the factor 2 s + 1 of a sub-block: IQ2_XXS, IQ3_XXS, IQ3_S: u8 [8][16];
//            IQ2_S: s, two sub-blocks to a byte, u8 [8][16]; IQ1_S: u8 [8][16] with bit 7 set where
//            delta is +1; IQ1_M: s as IQ2_S, then u8 raised[8][16], bit g set where delta of the
//            g-th group of 8 is +1
//   block    quad j (0..7) of row r is the values 4j .. 4j+3 of the block; its bytes lie at 4r
//            of a vector of 64:
//            2 bits: 2 vectors h, bits 2(j mod 4) of vector j / 4
//            3 bits: first 1 vector of third bits as below for 5 bits, then those of 2 bits
//            4 vectors v: quad v in the low nibbles, quad v + 4 in the high ones
//            5 bits: first 1 vector, bit j of byte 4r + i = fifth bit of value 4j + i
//            6 bits: first 2 vectors h, bits 2(j mod 4) of vector j / 4 = bits five and six
//            8 bits: 8 vectors, quad j, stored + 128
// A form serves every format that becomes it without loss: TQ1_0 is packed as TQ2_0, IQ2_XS as
// IQ2_S. Grids are looked up here, so that the kernels see codes alone
// (docs/decisions/0005-packed-grids.md).
// Float weights: [K][16] elements as stored.
//
// Activations, int8. A tile holds `width` rows; for each block of 32 values of K:
//   s8 quad[8][width][4], f32 d[width], f32 s[width], i32 -128 * sum[width], i32 -128 * sum of
//   the first 16 [width], i32 -128 * sum of the last 16 [width].
// Activations, float: f32 [K][width].
#pragma once

namespace cairn::kernels {

inline constexpr int kBlockValues = 32;
inline constexpr int kActivationBlockBytes = 32 + 5 * 4;  // per row

struct UnitLayout {
  int values;  // of K per unit
  int header_bytes;
  int block_bytes;  // per 32 values of K, all 16 rows
  constexpr int bytes() const { return header_bytes + values / kBlockValues * block_bytes; }
};

inline constexpr UnitLayout kQ4_0Layout{32, 32, 256};
inline constexpr UnitLayout kQ4_1Layout{32, 64, 256};
inline constexpr UnitLayout kQ5_0Layout{32, 32, 320};
inline constexpr UnitLayout kQ5_1Layout{32, 64, 320};
inline constexpr UnitLayout kQ8_0Layout{32, 32, 512};
inline constexpr UnitLayout kQ4_KLayout{256, 64 + 2 * 128, 256};
inline constexpr UnitLayout kQ5_KLayout{256, 64 + 2 * 128, 320};
inline constexpr UnitLayout kQ6_KLayout{256, 32 + 256, 384};
inline constexpr UnitLayout kQ2_KLayout{256, 64 + 256, 128};
inline constexpr UnitLayout kQ3_KLayout{256, 32 + 256, 192};
inline constexpr UnitLayout kIQ4_NLLayout{32, 32, 256};
inline constexpr UnitLayout kIQ4_XSLayout{256, 32 + 128, 256};
inline constexpr UnitLayout kMXFP4Layout{32, 16, 256};
inline constexpr UnitLayout kNVFP4Layout{64, 64, 256};
inline constexpr UnitLayout kTQ2_0Layout{256, 32, 128};
inline constexpr UnitLayout kIQ1_SLayout{256, 32 + 128, 128};
inline constexpr UnitLayout kIQ1_MLayout{256, 32 + 2 * 128, 128};
inline constexpr UnitLayout kIQ2_XXSLayout{256, 32 + 128, 192};
inline constexpr UnitLayout kIQ2_SLayout{256, 32 + 128, 192};
inline constexpr UnitLayout kIQ3_XXSLayout{256, 32 + 128, 256};
inline constexpr UnitLayout kIQ3_SLayout{256, 32 + 128, 256};

// Tiles are packed for these widths; a tile of n rows takes the next one and zero rows.
inline constexpr int kMostTileRows = 12;
constexpr int TileWidth(int rows) {
  if (rows <= 4) return rows;
  if (rows <= 6) return 6;
  if (rows <= 8) return 8;
  return kMostTileRows;
}

}  // namespace cairn::kernels
