// SPDX-License-Identifier: Apache-2.0
// What the files of this folder define for one instruction set; isa/table.cc puts it into the
// table. See kernels/kernels.h for the contracts.
// Threads: as kernels/kernels.h says.
#pragma once

#include "kernels/isa/tile_rows.h"
#include "kernels/kernels.h"

namespace cairn::kernels::CAIRN_ISA {

std::uint32_t PackRows(ActivationKind kind, ConstRowsView x, int rows, int cols, std::byte* tile);
void Remainder(const float* x, int n, float* y);

// The tile of a format, in matmul_<format>.cc: products of the 16 outputs of one group with rows.
using TileFunction = void(const PackedMatrix& weights, int group, const TileRows& rows);
TileFunction TileF32, TileF16, TileBF16, TileQ4_0, TileQ4_1, TileQ5_0, TileQ5_1, TileQ8_0, TileQ4_K,
    TileQ5_K, TileQ6_K, TileQ2_K, TileQ3_K, TileIQ4_NL, TileIQ4_XS, TileMXFP4, TileNVFP4, TileTQ2_0,
    TileIQ1_S, TileIQ1_M, TileIQ2_XXS, TileIQ2_S, TileIQ3_XXS, TileIQ3_S;

// Many rows: what every tile would unpack again is unpacked once, and the tiles of
// matmul_expanded.cc meet what came out. A block of 32 values of an expanded group is 8 quads of
// bytes, then two vectors of f32: a scale and nothing, a scale and a minimum, or the scales of both
// halves. Without minima the integers are stored + 128, so that their correction is the one that
// activations come with. The matrix of an expanded tile is its group alone.
inline constexpr int kExpandedScales = 8 * 64;  // where the vectors begin
inline constexpr int kExpandedBlockBytes = kExpandedScales + 2 * 64;
struct Expansion {
  void (*expand)(const PackedMatrix& weights, int group, std::byte* to) = nullptr;
  TileFunction* tile = nullptr;
};
TileFunction TileExpanded, TileExpandedMinima, TileExpandedHalves;
// Of each format, in matmul_<format>.cc; empty where expanding never pays.
extern const Expansion kExpandQ4_0, kExpandQ4_1, kExpandQ5_0, kExpandQ5_1, kExpandQ4_K, kExpandQ5_K,
    kExpandQ6_K, kExpandQ3_K, kExpandIQ4_NL, kExpandIQ4_XS, kExpandMXFP4, kExpandNVFP4,
    kExpandTQ2_0, kExpandIQ1_S, kExpandIQ1_M, kExpandIQ2_XXS, kExpandIQ2_S, kExpandIQ3_XXS,
    kExpandIQ3_S;

void Matmul(const Factors& factors, int group_begin, int group_end, int rows, RowsView out);
void MatmulPairs(const Factors& factors, int group_begin, int group_end, int rows, RowsView out);
void MatmulActivate(Activation act, const Factors& factors, int group_begin, int group_end,
                    int rows, RowsView out);
void MatmulAdd(const Factors& factors, int group_begin, int group_end, int rows,
               ConstRowsView other, RowsView out);
void MatmulGate(Activation act, const Factors& gate, const Factors& up, int group_begin,
                int group_end, int rows, RowsView out);

void RmsNorm(const float* x, const float* w, int n, float eps, float* y);
void LayerNorm(const float* x, const float* w, const float* b, int n, float eps, float* y);
float MeanSquare(const float* x, int n);
void Sparsify(const float* x, int n, float deviations, float* y);
void AddRows(const float* a, const float* b, int n, float* y);
void AddScaledRow(const float* x, float s, int n, float* y);
void ClampRow(const float* x, float limit, int n, float* y);
void ScaleRow(const float* x, float s, int n, float* y);
void GateRow(Activation act, const float* g, const float* u, int n, float* y);
void ActivateRow(Activation act, const float* x, int n, float* y);
void SoftcapRow(const float* x, float cap, int n, float* y);
void Rotate(RotaryPairs pairs, const float* cos, const float* sin, int n_rot, float* x);
void ExpShifted(const float* x, float shift, int n, float* y);
int Argmax(const float* x, int n);

using StoreKvFunction = void(const KvView& kv, int head, ConstRowsView k, ConstRowsView v,
                             std::int64_t first, int rows);
using AttendFunction = void(const AttendView& view, int head, int row_begin, int row_end,
                            float* scratch);
using AttendPartFunction = void(const AttendView& view, int head, int row, int part, float* states,
                                float* scratch);
StoreKvFunction StoreKv, StoreKvF32, StoreKvF16, StoreKvQ8;
AttendFunction Attend, AttendF32, AttendF16, AttendQ8;
AttendPartFunction AttendPart, AttendPartF32, AttendPartF16, AttendPartQ8;
void MergeParts(const float* states, int parts, std::ptrdiff_t stride, int head_dim,
                const float* sink, float* out);

void Convolve(const float* const* x, const float* w, std::ptrdiff_t stride, const float* bias,
              int taps, int n, float* y);
void Scan(const ScanView& view, int rows, const float* from, float* state);

double Int8Peak(std::int64_t iterations);
std::uint64_t ReadMemory(const std::byte* data, std::size_t bytes);

}  // namespace cairn::kernels::CAIRN_ISA
