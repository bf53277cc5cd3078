// SPDX-License-Identifier: Apache-2.0
// Attention in scalars, written from docs/canonical.md (section 6) and from nothing else; one query
// head at a time, no tiles of registers, no scratch. For tests only.
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/rows_ref.h"
#include "tensor/half.h"

namespace cairn::kernels::ref {

inline std::uint16_t StoredHalf(float x) {
  if (std::isfinite(x)) x = std::clamp(x, -65504.0f, 65504.0f);
  return tensor::HalfOfFloat(x);
}

// Where channel c of the key (or value) of a position lies.
inline std::uint16_t* KeyAt(const KvView& kv, int head, std::int64_t position, int c) {
  std::byte* layer = kv.tiles[position / 64] + kv.offset;
  auto* base = reinterpret_cast<std::uint16_t*>(layer) +
               static_cast<std::size_t>(head) * 2 * 64 * kv.head_dim;
  return base + c * 64 + position % 64;
}
inline std::uint16_t* ValueAt(const KvView& kv, int head, std::int64_t position, int c) {
  std::byte* layer = kv.tiles[position / 64] + kv.offset;
  auto* base = reinterpret_cast<std::uint16_t*>(layer) +
               static_cast<std::size_t>(head) * 2 * 64 * kv.head_dim + 64 * kv.head_dim;
  return base + position % 64 * kv.head_dim + c;
}

inline void StoreKv(const KvView& kv, int head, ConstRowsView k, ConstRowsView v,
                    std::int64_t first, int rows) {
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < kv.head_dim; ++c) {
      *KeyAt(kv, head, first + r, c) = StoredHalf(k.row(r)[head * kv.head_dim + c]);
      *ValueAt(kv, head, first + r, c) = StoredHalf(v.row(r)[head * kv.head_dim + c]);
    }
  }
}

struct State {
  float m = 0;
  float l = 0;
  std::vector<float> o;
};

inline float Score(const AttendView& view, int query_head, int row, std::int64_t position) {
  const int d = view.kv.head_dim;
  const float* q = view.q.row(row) + query_head * d;
  float s = 0;
  for (int c = 0; c < d; ++c) {
    const float key = tensor::FloatOfHalf(*KeyAt(view.kv, query_head / view.group, position, c));
    s = std::fma(q[c] * view.scale, key, s);
  }
  return view.softcap != 0 ? Softcap(s, view.softcap) : s;
}

// Positions [begin, end) of one part, all visible to the row.
inline State Part(const AttendView& view, int query_head, int row, std::int64_t begin,
                  std::int64_t end) {
  const int d = view.kv.head_dim;
  State state{.o = std::vector<float>(d)};
  float lanes[16] = {};
  for (std::int64_t tile = begin / 64; tile <= (end - 1) / 64; ++tile) {
    const std::int64_t from = std::max(begin, tile * 64), to = std::min(end, tile * 64 + 64);
    std::vector<float> scores;
    for (std::int64_t j = from; j < to; ++j) scores.push_back(Score(view, query_head, row, j));
    const float mt = *std::max_element(scores.begin(), scores.end());
    if (tile == begin / 64) {
      state.m = mt;
    } else {
      const float most = std::max(state.m, mt);
      const float f = Exp(state.m - most);
      for (float& lane : lanes) lane *= f;
      for (float& o : state.o) o *= f;
      state.m = most;
    }
    for (std::int64_t j = from; j < to; ++j) {
      const float p = Exp(scores[j - from] - state.m);
      lanes[j % 16] += p;
      for (int c = 0; c < d; ++c) {
        const float value = tensor::FloatOfHalf(*ValueAt(view.kv, query_head / view.group, j, c));
        state.o[c] = std::fma(p, value, state.o[c]);
      }
    }
  }
  state.l = Tree(lanes);
  return state;
}

// The output of one query head of one row into out[head_dim].
inline void AttendHead(const AttendView& view, int query_head, int row, float* out) {
  const std::int64_t last = view.first + row;
  const std::int64_t begin =
      view.window == 0 ? 0 : std::max<std::int64_t>(0, last - view.window + 1);
  State all;
  for (std::int64_t part = begin / 256; part <= last / 256; ++part) {
    const State next = Part(view, query_head, row, std::max(begin, part * 256),
                            std::min(last + 1, part * 256 + 256));
    if (part == begin / 256) {
      all = next;
      continue;
    }
    const float m = std::max(all.m, next.m);
    const float a = Exp(all.m - m), b = Exp(next.m - m);
    all.l = std::fma(next.l, b, all.l * a);
    for (std::size_t c = 0; c < all.o.size(); ++c) {
      all.o[c] = std::fma(next.o[c], b, all.o[c] * a);
    }
    all.m = m;
  }
  for (std::size_t c = 0; c < all.o.size(); ++c) out[c] = all.o[c] * (1.0f / all.l);
}

}  // namespace cairn::kernels::ref
