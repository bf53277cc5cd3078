// SPDX-License-Identifier: Apache-2.0
// Attention by the format of the KV, and the merging of parts, which does not depend on it.
#include "kernels/isa/attend-inl.h"

namespace cairn::kernels::CAIRN_ISA {

void StoreKv(const KvView& kv, int head, ConstRowsView k, ConstRowsView v, std::int64_t first,
             int rows) {
  switch (kv.format) {
    case KvFormat::kF32: return StoreKvF32(kv, head, k, v, first, rows);
    case KvFormat::kF16: return StoreKvF16(kv, head, k, v, first, rows);
    case KvFormat::kQ8: return StoreKvQ8(kv, head, k, v, first, rows);
  }
}

void Attend(const AttendView& view, int head, int row_begin, int row_end, float* scratch) {
  switch (view.kv.format) {
    case KvFormat::kF32: return AttendF32(view, head, row_begin, row_end, scratch);
    case KvFormat::kF16: return AttendF16(view, head, row_begin, row_end, scratch);
    case KvFormat::kQ8: return AttendQ8(view, head, row_begin, row_end, scratch);
  }
}

void AttendPart(const AttendView& view, int head, int row, int part, float* states,
                float* scratch) {
  switch (view.kv.format) {
    case KvFormat::kF32: return AttendPartF32(view, head, row, part, states, scratch);
    case KvFormat::kF16: return AttendPartF16(view, head, row, part, states, scratch);
    case KvFormat::kQ8: return AttendPartQ8(view, head, row, part, states, scratch);
  }
}

void MergeParts(const float* states, int parts, std::ptrdiff_t stride, int head_dim,
                const float* sink, float* out) {
  alignas(64) float o[kMostHeadDim];
  float m = states[0];
  float l = states[1];
  for (int c = 0; c < head_dim; c += kLanes) Store(o + c, Load(states + 16 + c));
  for (int p = 1; p < parts; ++p) {
    const float* part = states + p * stride;
    Merge(m, l, o, part[0], part[1], part + 16, head_dim);
  }
  WriteOutput(o, m, l, head_dim, sink, out);
}

}  // namespace cairn::kernels::CAIRN_ISA
