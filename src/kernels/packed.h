// SPDX-License-Identifier: Apache-2.0
// Weights and activations as the matmul kernels walk them.
//
// Weights: 16 output rows interleave ("a group"), so that one vector accumulator holds 16 outputs
// and nothing is reduced across lanes. Row counts are padded to a multiple of 16 with zero weights.
// The packed form holds no addresses. Activations: tiles of up to kTileRows rows, interleaved by
// block, so that the inner loop needs one base pointer.
// Threads: a PackedMatrix is immutable once packed and is read by all workers; PackGroups of
// disjoint ranges may run at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "kernels/packed_layout.h"
#include "tensor/format.h"

namespace cairn::kernels {

inline constexpr int kGroupRows = 16;  // output rows of a group: lanes of the canonical vector

// What a format's matmul reads: int8 blocks with scales (section 1) or plain f32 (section 3).
enum class ActivationKind { kInt8, kFloat };
ActivationKind ActivationOf(tensor::Format format);

// Rows of a full tile of packed activations. 12 accumulators of 16 outputs and 12 of integers fill
// an AVX-512 register file; see isa/matmul-inl.h.
inline constexpr int kTileRows = kMostTileRows;

// Bytes of a full tile of packed activations of `cols` values; a multiple of 64.
std::size_t PackedTileBytes(ActivationKind kind, int cols);
// Bytes that `rows` rows take, in tiles.
std::size_t PackedRowsBytes(ActivationKind kind, int rows, int cols);

// A weight matrix in packed form. Does not own its bytes (model/weights.h does).
struct PackedMatrix {
  tensor::Format format{};
  int rows = 0;    // outputs, as the file has them
  int cols = 0;    // inputs, K
  int groups = 0;  // rows / 16 rounded up
  std::size_t group_bytes = 0;
  const std::byte* data = nullptr;  // groups * group_bytes, 64-byte aligned
};

// Bytes of one packed group. `cols` must be a multiple of the format's block.
std::size_t PackedGroupBytes(tensor::Format format, int cols);

// Packs rows [16 * group_begin, 16 * group_end) of a stored matrix. `stored` holds those rows (rows
// past the end of the matrix are absent and become zero weights); `packed` receives
// (group_end - group_begin) * PackedGroupBytes. Errors: kUnsupported where the format has no
// matmul, kInvalidArgument where the sizes do not fit.
[[nodiscard]] Result<void> PackGroups(tensor::Format format, int cols,
                                      std::span<const std::byte> stored, int group_count,
                                      std::span<std::byte> packed);

// Row `index` (< weights.rows) of the matrix as tensor::Dequantise gives it, times `scale`, into
// out[cols]. A product with scale 1 changes nothing.
void UnpackRow(const PackedMatrix& weights, int index, float scale, float* out);

}  // namespace cairn::kernels
