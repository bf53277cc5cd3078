// SPDX-License-Identifier: Apache-2.0
// The table of one instruction set.
#include "kernels/isa/functions.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

#if defined(CAIRN_ISA_avx512)
constexpr Isa kIsa = Isa::kAvx512;
#elif defined(CAIRN_ISA_avx_vnni)
constexpr Isa kIsa = Isa::kAvxVnni;
#elif defined(CAIRN_ISA_avx2)
constexpr Isa kIsa = Isa::kAvx2;
#elif defined(CAIRN_ISA_neon)
constexpr Isa kIsa = Isa::kNeon;
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
    .matmul_pairs = MatmulPairs,
    .matmul_activate = MatmulActivate,
    .matmul_add = MatmulAdd,
    .matmul_gate = MatmulGate,
    .rms_norm = RmsNorm,
    .layer_norm = LayerNorm,
    .mean_square = MeanSquare,
    .sparsify = Sparsify,
    .add = AddRows,
    .add_scaled = AddScaledRow,
    .clamp = ClampRow,
    .scale = ScaleRow,
    .gate = GateRow,
    .activate = ActivateRow,
    .softcap = SoftcapRow,
    .rotate = Rotate,
    .store_kv = StoreKv,
    .attend = Attend,
    .attend_part = AttendPart,
    .merge_parts = MergeParts,
    .convolve = Convolve,
    .scan = Scan,
    .exp_shifted = ExpShifted,
    .argmax = Argmax,
    .int8_peak = Int8Peak,
    .read_memory = ReadMemory,
};

}  // namespace cairn::kernels::CAIRN_ISA
