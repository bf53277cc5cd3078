// SPDX-License-Identifier: Apache-2.0
// Attention in scalars, written from docs/canonical.md (section 6) and from nothing else; one query
// head at a time, no tiles of registers, no scratch. For tests only.
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/rows_ref.h"
#include "tensor/half.h"

namespace cairn::kernels::ref {

inline std::uint16_t StoredHalf(float x) {
  if (std::isfinite(x)) x = std::clamp(x, -65504.0f, 65504.0f);
  return tensor::HalfOfFloat(x);
}

// --- f32 and f16: where channel c of the key (or value) of a position lies ---
inline std::byte* HeadAt(const KvView& kv, int head, std::int64_t position) {
  return kv.tiles[position / 64] + kv.offset +
         static_cast<std::size_t>(head) * KvHeadBytes(kv.format, kv.head_dim);
}
template <typename Element>
Element* KeyAt(const KvView& kv, int head, std::int64_t position, int c) {
  return reinterpret_cast<Element*>(HeadAt(kv, head, position)) + c * 64 + position % 64;
}
template <typename Element>
Element* ValueAt(const KvView& kv, int head, std::int64_t position, int c) {
  return reinterpret_cast<Element*>(HeadAt(kv, head, position)) + 64 * kv.head_dim +
         position % 64 * kv.head_dim + c;
}

// --- q8 ---
struct Integers {
  float d = 0;
  std::vector<int> q;
};
// Of x * factor; `most` is the largest integer.
inline Integers Quantise(std::span<const float> x, float factor, float most) {
  Integers out{.q = std::vector<int>(x.size())};
  float m = 0;
  for (const float value : x) {
    const float size = std::fabs(value * factor);
    if (!std::isfinite(size)) {
      out.d = std::numeric_limits<float>::quiet_NaN();
      return out;
    }
    m = std::max(m, size);
  }
  if (m < 0x1p-64f) return out;
  out.d = m / most;
  const float inverse = most / m;
  for (std::size_t i = 0; i < x.size(); ++i) {
    out.q[i] = static_cast<int>(std::nearbyint(x[i] * factor * inverse));
  }
  return out;
}
inline std::uint8_t* KeyByte(const KvView& kv, int head, std::int64_t position, int c) {
  return reinterpret_cast<std::uint8_t*>(HeadAt(kv, head, position)) + c / 4 * 256 +
         position % 64 * 4 + c % 4;
}
inline std::uint8_t* ValueByte(const KvView& kv, int head, std::int64_t position, int c) {
  return reinterpret_cast<std::uint8_t*>(HeadAt(kv, head, position)) + 64 * kv.head_dim +
         position % 64 / 4 * 4 * kv.head_dim + 4 * c + position % 4;
}
inline float* KeyScale(const KvView& kv, int head, std::int64_t position) {
  return reinterpret_cast<float*>(HeadAt(kv, head, position) + 128 * kv.head_dim) + position % 64;
}
inline float* ValueScale(const KvView& kv, int head, std::int64_t position) {
  return KeyScale(kv, head, position) + 64;
}

inline void StoreKv(const KvView& kv, int head, ConstRowsView k, ConstRowsView v,
                    std::int64_t first, int rows) {
  const int d = kv.head_dim;
  for (int r = 0; r < rows; ++r) {
    const std::int64_t at = first + r;
    const std::span key(k.row(r) + head * d, static_cast<std::size_t>(d));
    const std::span value(v.row(r) + head * d, static_cast<std::size_t>(d));
    const Integers keys = Quantise(key, 1, 127), values = Quantise(value, 1, 127);
    if (kv.format == KvFormat::kQ8) {
      *KeyScale(kv, head, at) = keys.d;
      *ValueScale(kv, head, at) = values.d;
    }
    for (int c = 0; c < d; ++c) {
      switch (kv.format) {
        case KvFormat::kF32:
          *KeyAt<float>(kv, head, at, c) = key[c];
          *ValueAt<float>(kv, head, at, c) = value[c];
          break;
        case KvFormat::kF16:
          *KeyAt<std::uint16_t>(kv, head, at, c) = StoredHalf(key[c]);
          *ValueAt<std::uint16_t>(kv, head, at, c) = StoredHalf(value[c]);
          break;
        case KvFormat::kQ8:
          *KeyByte(kv, head, at, c) = static_cast<std::uint8_t>(keys.q[c] + 128);
          *ValueByte(kv, head, at, c) = static_cast<std::uint8_t>(values.q[c]);
          break;
      }
    }
  }
}

// What a position holds, as a number.
inline float Key(const KvView& kv, int head, std::int64_t position, int c) {
  switch (kv.format) {
    case KvFormat::kF32: return *KeyAt<float>(kv, head, position, c);
    case KvFormat::kF16: return tensor::FloatOfHalf(*KeyAt<std::uint16_t>(kv, head, position, c));
    case KvFormat::kQ8: break;
  }
  return static_cast<float>(*KeyByte(kv, head, position, c) - 128) * *KeyScale(kv, head, position);
}
inline float Value(const KvView& kv, int head, std::int64_t position, int c) {
  switch (kv.format) {
    case KvFormat::kF32: return *ValueAt<float>(kv, head, position, c);
    case KvFormat::kF16: return tensor::FloatOfHalf(*ValueAt<std::uint16_t>(kv, head, position, c));
    case KvFormat::kQ8: break;
  }
  return static_cast<float>(static_cast<std::int8_t>(*ValueByte(kv, head, position, c))) *
         *ValueScale(kv, head, position);
}

struct State {
  float m = 0;
  float l = 0;
  std::vector<float> o;
};

inline float Score(const AttendView& view, int query_head, int row, std::int64_t position) {
  const int d = view.kv.head_dim;
  const int head = query_head / view.group;
  const float* q = view.q.row(row) + query_head * d;
  float s = 0;
  if (view.kv.format == KvFormat::kQ8) {
    const Integers query = Quantise({q, static_cast<std::size_t>(d)}, view.scale, 127);
    int sum = 0;
    for (int c = 0; c < d; ++c) sum += query.q[c] * (*KeyByte(view.kv, head, position, c) - 128);
    s = static_cast<float>(sum) * (query.d * *KeyScale(view.kv, head, position));
  } else {
    for (int c = 0; c < d; ++c) {
      s = std::fma(q[c] * view.scale, Key(view.kv, head, position, c), s);
    }
  }
  if (view.softcap != 0) s = Softcap(s, view.softcap);
  const std::int64_t ahead = position - (view.first + row);
  if (view.slopes != nullptr) {
    s = std::fma(view.slopes[query_head], static_cast<float>(-std::abs(ahead)), s);
  }
  if (view.relative == nullptr) return s;
  return s + view.relative[query_head * view.relative_stride + ahead];
}

// Adds the weighted values of positions from, from + 1, ... of one tile to o.
inline void AddValues(const KvView& kv, int head, std::int64_t from, const std::vector<float>& p,
                      std::vector<float>& o) {
  const int d = kv.head_dim;
  if (kv.format == KvFormat::kQ8) {
    std::vector<float> w;
    for (std::size_t j = 0; j < p.size(); ++j) w.push_back(p[j] * *ValueScale(kv, head, from + j));
    const Integers weights = Quantise(w, 1, 255);
    for (int c = 0; c < d; ++c) {
      int sum = 0;
      for (std::size_t j = 0; j < p.size(); ++j) {
        sum += weights.q[j] * static_cast<std::int8_t>(*ValueByte(kv, head, from + j, c));
      }
      o[c] = std::fma(static_cast<float>(sum), weights.d, o[c]);
    }
    return;
  }
  for (std::size_t j = 0; j < p.size(); ++j) {
    for (int c = 0; c < d; ++c) o[c] = std::fma(p[j], Value(kv, head, from + j, c), o[c]);
  }
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
    std::vector<float> p;
    for (std::int64_t j = from; j < to; ++j) {
      p.push_back(Exp(scores[j - from] - state.m));
      lanes[j % 16] += p.back();
    }
    AddValues(view.kv, query_head / view.group, from, p, state.o);
  }
  state.l = Tree(lanes);
  return state;
}

// The output of one query head of one row into out[head_dim].
inline void AttendHead(const AttendView& view, int query_head, int row, float* out) {
  const std::int64_t at = view.first + row;
  std::int64_t begin = 0;
  std::int64_t last = view.end == 0 ? at : view.end - 1;
  if (view.window > 0) {
    begin = std::max<std::int64_t>(0, at - view.window + 1);
    last = std::min<std::int64_t>(last, at + view.window - 1);
  }
  if (view.chunked && view.window > 0) begin = at / view.window * view.window;
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
  float numerator = 1;
  if (view.sinks != nullptr) {
    const float sink = view.sinks[query_head], m = std::max(all.m, sink);
    numerator = Exp(all.m - m);
    all.l = std::fma(all.l, numerator, Exp(sink - m));
  }
  for (std::size_t c = 0; c < all.o.size(); ++c) out[c] = all.o[c] * (numerator / all.l);
}

}  // namespace cairn::kernels::ref
