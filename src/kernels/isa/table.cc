// SPDX-License-Identifier: Apache-2.0
// The table of one instruction set. Formats are found by their number, so that a new one is one
// line here and one file beside it.
#include "kernels/isa/functions.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

void Matmul(const PackedMatrix& weights, int group_begin, int group_end, const std::byte* tiles,
            int rows, RowsView out) {
  using tensor::Format;
  MatmulFunction function = nullptr;
  switch (weights.format) {
    case Format::kF32: function = MatmulF32; break;
    case Format::kF16: function = MatmulF16; break;
    case Format::kBF16: function = MatmulBF16; break;
    case Format::kQ4_0: function = MatmulQ4_0; break;
    case Format::kQ4_1: function = MatmulQ4_1; break;
    case Format::kQ5_0: function = MatmulQ5_0; break;
    case Format::kQ5_1: function = MatmulQ5_1; break;
    case Format::kQ8_0: function = MatmulQ8_0; break;
    case Format::kQ4_K: function = MatmulQ4_K; break;
    case Format::kQ5_K: function = MatmulQ5_K; break;
    case Format::kQ6_K: function = MatmulQ6_K; break;
    default: return;  // not reached: PackGroups refuses formats without a matmul
  }
  function(weights, group_begin, group_end, tiles, rows, out);
}

#if defined(CAIRN_ISA_avx512)
constexpr Isa kIsa = Isa::kAvx512;
#elif defined(CAIRN_ISA_avx2)
constexpr Isa kIsa = Isa::kAvx2;
#else
constexpr Isa kIsa = Isa::kPortable;
#endif

}  // namespace

extern const Kernels kTable;
const Kernels kTable = {
    .isa = kIsa,
    .pack_rows = PackRows,
    .remainder = Remainder,
    .matmul = Matmul,
    .rms_norm = RmsNorm,
    .add = AddRows,
    .scale = ScaleRow,
    .gate = GateRow,
    .softcap = SoftcapRow,
    .rotate = Rotate,
    .store_kv = StoreKv,
    .attend = Attend,
    .attend_part = AttendPart,
    .merge_parts = MergeParts,
    .exp_shifted = ExpShifted,
    .argmax = Argmax,
    .int8_peak = Int8Peak,
    .read_memory = ReadMemory,
};

}  // namespace cairn::kernels::CAIRN_ISA
