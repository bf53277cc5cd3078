// SPDX-License-Identifier: Apache-2.0
// Attention in integers over q8 tiles (canonical.md, section 6).
//
//   scores   exact dot products of int8 queries and keys, four channels at a time: per quad one
//            load per vector of keys and one broadcast per query;
//   values   exact sums of u8 weights times int8 values, four positions at a time.
//
// What is not visible gets the weight 0, so that whole quads of positions can be walked.
#include "kernels/isa/attend-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

constexpr int32_t kInfinityBits = 0x7f800000;
constexpr int32_t kSmallestBits = 0x1f800000;  // 2^-64: below it everything is zero
constexpr int kQuads = kTilePositions / 4;

// Of n floats: the scale d = m / most, and most / m, which makes integers of them. A value that is
// not finite gives a d that is not, which fails whatever meets it.
struct Scale {
  float d;
  float inverse;
};
CAIRN_INLINE Scale ScaleOf(int32_t bits, float most) {
  if (bits < kSmallestBits) return {0, 0};
  float m;
  __builtin_memcpy(&m, &bits, 4);
  return {m / most, bits < kInfinityBits ? most / m : 0};
}
CAIRN_INLINE VI Magnitude(VF x) { return AndI(BitsOf(x), Set1I(0x7fffffff)); }

// n values times `factor` become int8 at q; returns their scale.
CAIRN_INLINE float QuantiseHead(const float* x, int n, float factor, uint8_t* q) {
  VI most = ZeroI();
  for (int c = 0; c < n; c += kLanes) {
    most = MaxI(most, Magnitude(Mul(Load(x + c), Set1(factor))));
  }
  const Scale scale = ScaleOf(ReduceMaxI(most), 127.0f);
  for (int c = 0; c < n; c += kLanes) {
    const VF value = Mul(Load(x + c), Set1(factor));
    StoreBytes(q + c, scale.inverse != 0 ? RoundToInt(Mul(value, Set1(scale.inverse))) : ZeroI());
  }
  return scale.d;
}

struct Tile {
  const uint8_t* keys;
  const uint8_t* values;
  const float* key_scales;
  const float* value_scales;
  ptrdiff_t ahead;  // bytes from the values to the keys of the next tile, 0: none
  bool fetch;       // few queries: it is asked for on the way
};
CAIRN_INLINE Tile TileOf(std::byte* head, int head_dim, ptrdiff_t ahead, bool fetch) {
  const int bytes = head_dim * kTilePositions;
  const auto* keys = reinterpret_cast<const uint8_t*>(head);
  const auto* scales = reinterpret_cast<const float*>(head + 2 * static_cast<ptrdiff_t>(bytes));
  return {keys, keys + bytes, scales, scales + kTilePositions, ahead != 0 ? ahead - bytes : 0,
          fetch};
}

// A query as integers.
struct Quantised {
  const uint8_t* q;  // int8[head_dim]
  float scale;
  int32_t sum;  // of q
};

// scores[i][..] of kCount queries and kUse vectors of keys from vector v on. On the way it asks for
// the values, in `steps` steps.
template <int kCount, int kUse>
CAIRN_INLINE void ScoresAt(const Quantised* queries, const Tile& tile, int steps, int head_dim,
                           int v, float* scores) {
  VI sums[kCount][kUse];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    // Keys are stored + 128; where the dot product does not take that off, the sum starts so.
    const VI start = kBiasWide ? Set1I(-128 * queries[i].sum) : ZeroI();
#pragma GCC unroll 8
    for (int u = 0; u < kUse; ++u) sums[i][u] = start;
  }
  const uint8_t* keys = tile.keys + v * 4 * kLanes;
  for (int c = 0; c < head_dim; c += 4, keys += 4 * kTilePositions) {
    if (c < 4 * steps) PrefetchBytes<4 * kTilePositions>(tile.values + c * kTilePositions);
    VB k[kUse];
#pragma GCC unroll 8
    for (int u = 0; u < kUse; ++u) k[u] = LoadB(keys + u * 4 * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
      for (int u = 0; u < kUse; ++u) sums[i][u] = Dot<true>(sums[i][u], k[u], queries[i].q + c);
    }
  }
#pragma GCC unroll 8
  for (int u = 0; u < kUse; ++u) {
    const VF scale = Load(tile.key_scales + (v + u) * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
      Store(scores + i * kTilePositions + (v + u) * kLanes,
            Mul(ToFloat(sums[i][u]), Mul(Set1(queries[i].scale), scale)));
    }
  }
}

// The weights of one query, from its exponentials in p, become bytes; returns their scale.
CAIRN_INLINE float QuantiseWeights(const float* p, const float* value_scales, Range range,
                                   uint8_t* bytes) {
  VF w[kTileVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kTileVectors; ++v) {
    w[v] = Mul(Load(p + v * kLanes), Load(value_scales + v * kLanes));
  }
  if (IsPartial(range)) {
    for (int v = 0; v < kTileVectors; ++v) w[v] = IfVisible(range, v, w[v], Zero());
  }
  VI most = ZeroI();
#pragma GCC unroll 8
  for (int v = 0; v < kTileVectors; ++v) most = MaxI(most, Magnitude(w[v]));
  const Scale scale = ScaleOf(ReduceMaxI(most), 255.0f);
  for (int v = 0; v < kTileVectors; ++v) {
    StoreUnsignedBytes(bytes + v * kLanes, RoundToInt(Mul(w[v], Set1(scale.inverse))));
  }
  return scale.d;
}

// o[i] += scale[i] * sum over quads [begin, end) of bytes[i] * values, kUse vectors of channels
// from channel c on.
template <int kCount, int kUse>
CAIRN_INLINE void AddValuesAt(const uint8_t* bytes, const float* scales, const Tile& tile,
                              int head_dim, int begin, int end, int c, Query* queries) {
  VI sums[kCount][kUse];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
    for (int u = 0; u < kUse; ++u) sums[i][u] = ZeroI();
  }
  const uint8_t* values = tile.values + 4 * (begin * head_dim + c);
  for (int j = begin; j < end; ++j, values += 4 * head_dim) {
    if (tile.ahead != 0) PrefetchBytes<kUse * 4 * kLanes>(values + tile.ahead);
    VB value[kUse];
#pragma GCC unroll 8
    for (int u = 0; u < kUse; ++u) value[u] = LoadB(values + u * 4 * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
      for (int u = 0; u < kUse; ++u) {
        sums[i][u] = DotUnsigned(sums[i][u], bytes + i * kTilePositions + 4 * j, value[u]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    float* o = queries[i].o + c;
#pragma GCC unroll 8
    for (int u = 0; u < kUse; ++u) {
      Store(o + u * kLanes, Fma(ToFloat(sums[i][u]), Set1(scales[i]), Load(o + u * kLanes)));
    }
  }
}

template <int kCount>
__attribute__((noinline)) void MeetTile(const Quantised* quantised, const Tile& tile, int head_dim,
                                        float softcap, const Range* ranges, Query* queries,
                                        float* scores) {
  Range any = ranges[0];
  for (int i = 1; i < kCount; ++i) {
    any = {Least(any.begin, ranges[i].begin), Most(any.end, ranges[i].end)};
  }
  if (tile.fetch) PrefetchBytes<2 * kTilePositions * sizeof(float)>(tile.key_scales);
  const int first = any.begin / kLanes;
  const int steps =
      tile.fetch ? (any.end * head_dim + 4 * kTilePositions - 1) / (4 * kTilePositions) : 0;
  ForVectors(
      first, (any.end + kLanes - 1) / kLanes, [&]<int kUse>(int v) __attribute__((always_inline)) {
        ScoresAt<kCount, kUse>(quantised, tile, v == first ? steps : 0, head_dim, v, scores);
      });
  alignas(64) uint8_t bytes[kCount * kTilePositions];
  float scales[kCount];
  Softmax<kCount>(scores, ranges, softcap, head_dim, queries);
  for (int i = 0; i < kCount; ++i) {
    scales[i] = QuantiseWeights(scores + i * kTilePositions, tile.value_scales, ranges[i],
                                bytes + i * kTilePositions);
  }
  ForVectors(
      0, head_dim / kLanes, [&]<int kUse>(int v) __attribute__((always_inline)) {
        AddValuesAt<kCount, kUse>(bytes, scales, tile, head_dim, any.begin / 4, (any.end + 3) / 4,
                                  v * kLanes, queries);
      });
}

class Q8Tiles {
 public:
  using Tile = CAIRN_ISA::Tile;

  // The scratch holds the integers of the queries.
  Q8Tiles(const AttendView& view, int head, int, float* scratch)
      : view_(view), head_(head), q_(reinterpret_cast<uint8_t*>(scratch)) {}

  void SetQuery(int i, const float* from) {
    const int d = view_.kv.head_dim;
    uint8_t* q = q_ + i * d;
    quantised_[i].q = q;
    quantised_[i].scale = QuantiseHead(from, d, view_.scale, q);
    quantised_[i].sum = 0;
    for (int c = 0; c < d; ++c) quantised_[i].sum += static_cast<int8_t>(q[c]);
  }

  Tile TileAt(int index, int queries, int, ptrdiff_t ahead) {
    const bool few = queries <= kQueries;
    return TileOf(HeadOf(view_.kv, head_, index), view_.kv.head_dim, few ? ahead : 0, few);
  }

  template <int kCount>
  void Meet(const Tile& tile, int i, const Range* ranges, Query* queries, float* scores) {
    MeetTile<kCount>(quantised_ + i, tile, view_.kv.head_dim, view_.softcap, ranges, queries,
                     scores);
  }

 private:
  const AttendView& view_;
  const int head_;
  uint8_t* const q_;
  Quantised quantised_[kMostQueries];
};

}  // namespace

void StoreKvQ8(const KvView& kv, int head, ConstRowsView k, ConstRowsView v, std::int64_t first,
               int rows) {
  const int d = kv.head_dim;
  for (int row = 0; row < rows; ++row) {
    const std::int64_t position = first + row;
    const int at = static_cast<int>(position % kTilePositions);
    std::byte* base = HeadOf(kv, head, static_cast<int>(position / kTilePositions));
    auto* keys = reinterpret_cast<uint8_t*>(base);
    uint8_t* values = keys + d * kTilePositions;
    auto* scales = reinterpret_cast<float*>(values + d * kTilePositions);
    alignas(64) uint8_t q[kMostHeadDim];
    scales[at] = QuantiseHead(k.data + row * k.stride + head * d, d, 1.0f, q);
    for (int c = 0; c < d; ++c) {
      keys[c / 4 * 4 * kTilePositions + 4 * at + c % 4] = static_cast<uint8_t>(q[c] ^ 0x80);
    }
    scales[kTilePositions + at] = QuantiseHead(v.data + row * v.stride + head * d, d, 1.0f, q);
    for (int c = 0; c < d; ++c) values[at / 4 * 4 * d + 4 * c + at % 4] = q[c];
  }
}

void AttendQ8(const AttendView& view, int head, int row_begin, int row_end, float* scratch) {
  AttendRows<Q8Tiles>(view, head, row_begin, row_end, scratch);
}

void AttendPartQ8(const AttendView& view, int head, int row, int part, float* states,
                  float* scratch) {
  AttendPartOf<Q8Tiles>(view, head, row, part, states, scratch);
}

}  // namespace cairn::kernels::CAIRN_ISA
