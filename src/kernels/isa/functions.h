// SPDX-License-Identifier: Apache-2.0
// What the files of this folder define for one instruction set; isa/table.cc puts it into the
// table. See kernels/kernels.h for the contracts.
// Threads: as kernels/kernels.h says.
#pragma once

#include "kernels/kernels.h"

namespace cairn::kernels::CAIRN_ISA {

std::uint32_t PackRows(ActivationKind kind, ConstRowsView x, int rows, int cols, std::byte* tile);
void Remainder(const float* x, int n, float* y);

// One per format, in matmul_<format>.cc.
using MatmulFunction = void (*)(const PackedMatrix& weights, int group_begin, int group_end,
                                const std::byte* tiles, int rows, RowsView out);
void MatmulF32(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulF16(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulBF16(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ4_0(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ4_1(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ5_0(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ5_1(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ8_0(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ4_K(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ5_K(const PackedMatrix&, int, int, const std::byte*, int, RowsView);
void MatmulQ6_K(const PackedMatrix&, int, int, const std::byte*, int, RowsView);

void RmsNorm(const float* x, const float* w, int n, float eps, float* y);
void AddRows(const float* a, const float* b, int n, float* y);
void ScaleRow(const float* x, float s, int n, float* y);
void GateRow(Activation act, const float* g, const float* u, int n, float* y);
void SoftcapRow(const float* x, float cap, int n, float* y);
void Rotate(RotaryPairs pairs, const float* cos, const float* sin, int n_rot, float* x);
void ExpShifted(const float* x, float shift, int n, float* y);
int Argmax(const float* x, int n);

void StoreKv(const KvView& kv, int head, ConstRowsView k, ConstRowsView v, std::int64_t first,
             int rows);
void Attend(const AttendView& view, int head, int row_begin, int row_end, float* scratch);
void AttendPart(const AttendView& view, int head, int row, int part, float* states, float* scratch);
void MergeParts(const float* states, int parts, std::ptrdiff_t stride, int head_dim, float* out);

double Int8Peak(std::int64_t iterations);
std::uint64_t ReadMemory(const std::byte* data, std::size_t bytes);

}  // namespace cairn::kernels::CAIRN_ISA
