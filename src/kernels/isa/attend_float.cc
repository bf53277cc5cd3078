// SPDX-License-Identifier: Apache-2.0
// Attention over f32 and f16 tiles (canonical.md, section 6).
//
//   scores   per channel one load per vector of keys and one broadcast per query; vectors of keys
//            that no query of the block sees are left out;
//   values   per position one load per vector of channels and one broadcast of a weight per query.
//
// With many queries a tile's f16 keys and values are widened to f32 once; with few (decode) they
// are widened as they are read, so that each byte of KV is read once. Formulas per query are the
// same, so the bytes are. (AVX2: blocks of 6 x 2 gain 5 % from 128 channels on and lose as much
// below.)
#include "kernels/isa/attend-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

constexpr int kWidenQueries = 8;  // from so many queries on, widening a tile first pays

CAIRN_INLINE VF LoadElement(const float* p) { return Load(p); }
CAIRN_INLINE VF LoadElement(const uint16_t* p) { return LoadHalf(p); }
CAIRN_INLINE void StoreElement(float* p, VF v) { Store(p, v); }
CAIRN_INLINE void StoreElement(uint16_t* p, VF v) { StoreHalf(p, v); }

// --- the two products -----------------------------------------------------------------------

// scores[q][..] = q . k for kCount queries and kUse vectors of keys from `keys` on; rows of q are
// head_dim apart. On the way it asks for `values`, in `steps` steps.
template <int kCount, int kUse, typename Element>
CAIRN_INLINE void ScoresAt(const float* q, const Element* keys, const Element* values, int steps,
                           int head_dim, float* scores) {
  VF sums[kCount][kUse];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) sums[i][v] = Zero();
  }
  for (int c = 0; c < head_dim; ++c, keys += kTilePositions) {
    if (c < steps) PrefetchBytes<kTilePositions * sizeof(Element)>(values + c * kTilePositions);
    VF k[kUse];
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) k[v] = LoadElement(keys + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
      const VF broadcast = Set1(q[i * head_dim + c]);
#pragma GCC unroll 8
      for (int v = 0; v < kUse; ++v) sums[i][v] = Fma(broadcast, k[v], sums[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) {
      Store(scores + i * kTilePositions + v * kLanes, sums[i][v]);
    }
  }
}

// o[q] += sum over positions [begin, end) of p[q][j] * values[j], kUse vectors of channels from c0.
// On the way it asks for as much as it reads, `ahead` elements on.
template <int kCount, int kUse, typename Element>
CAIRN_INLINE void AddValuesAt(const float* p, const Element* values, ptrdiff_t ahead, int head_dim,
                              int begin, int end, int c0, float* const* o) {
  VF sums[kCount][kUse];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) sums[i][v] = Load(o[i] + c0 + v * kLanes);
  }
  const Element* at = values + static_cast<ptrdiff_t>(begin) * head_dim + c0;
  for (int j = begin; j < end; ++j, at += head_dim) {
    if (ahead != 0) PrefetchBytes<kUse * kLanes * sizeof(Element)>(at + ahead);
    VF value[kUse];
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) value[v] = LoadElement(at + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
      const VF weight = Set1(p[i * kTilePositions + j]);
#pragma GCC unroll 8
      for (int v = 0; v < kUse; ++v) sums[i][v] = Fma(weight, value[v], sums[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) Store(o[i] + c0 + v * kLanes, sums[i][v]);
  }
}

template <int kCount, typename Element>
CAIRN_INLINE void AddValues(const float* p, const Element* values, ptrdiff_t ahead, int head_dim,
                            Range range, float* const* o) {
  if (range.begin >= range.end) return;
  ForVectors(
      0, head_dim / kLanes, [&]<int kUse>(int v) __attribute__((always_inline)) {
        AddValuesAt<kCount, kUse>(p, values, ahead, head_dim, range.begin, range.end, v * kLanes,
                                  o);
      });
}

// The positions that some queries of a block see and others do not.
template <typename Element>
__attribute__((noinline)) void AddValuesOfOne(const float* p, const Element* values, int head_dim,
                                              Range range, float* o) {
  AddValues<1>(p, values, 0, head_dim, range, &o);
}

// kCount queries meet one tile.
template <int kCount, typename Element>
__attribute__((noinline)) void MeetTile(const float* q, const Element* keys, const Element* values,
                                        bool fetch, ptrdiff_t ahead, int head_dim, float softcap,
                                        const Range* ranges, Query* queries, float* scores) {
  Range any = ranges[0], common = ranges[0];  // seen by one at least; by all
  float* o[kCount];
  for (int i = 0; i < kCount; ++i) {
    any = {Least(any.begin, ranges[i].begin), Most(any.end, ranges[i].end)};
    common = {Most(common.begin, ranges[i].begin), Least(common.end, ranges[i].end)};
    o[i] = queries[i].o;
  }
  if (common.begin >= common.end) common = {kTilePositions, kTilePositions};
  const int first = any.begin / kLanes;
  const int steps = fetch ? (any.end * head_dim + kTilePositions - 1) / kTilePositions : 0;
  ForVectors(
      first, (any.end + kLanes - 1) / kLanes, [&]<int kUse>(int v) __attribute__((always_inline)) {
        ScoresAt<kCount, kUse>(q, keys + v * kLanes, values, v == first ? steps : 0, head_dim,
                               scores + v * kLanes);
      });
  Softmax<kCount>(scores, ranges, softcap, head_dim, queries);
  for (int i = 0; i < kCount; ++i) {
    const Range before = {ranges[i].begin, Least(common.begin, ranges[i].end)};
    AddValuesOfOne(scores + i * kTilePositions, values, head_dim, before, o[i]);
  }
  AddValues<kCount>(scores, values, ahead, head_dim, common, o);
  for (int i = 0; i < kCount; ++i) {
    const Range after = {common.end, ranges[i].end};
    AddValuesOfOne(scores + i * kTilePositions, values, head_dim, after, o[i]);
  }
}

template <typename Element>
class FloatTiles {
 public:
  struct Tile {
    const Element* keys;
    const Element* values;
    ptrdiff_t ahead;  // elements
    bool wide;        // in `wide_` instead, and so in the cache
  };

  // The scratch holds scaled queries and a widened tile.
  FloatTiles(const AttendView& view, int head, int queries, float* scratch)
      : view_(view),
        head_(head),
        d_(view.kv.head_dim),
        q_(scratch),
        wide_keys_(scratch + queries * d_),
        wide_values_(wide_keys_ + d_ * kTilePositions) {}

  void SetQuery(int i, const float* from) {
    for (int c = 0; c < d_; c += kLanes) {
      Store(q_ + i * d_ + c, Mul(Load(from + c), Set1(view_.scale)));
    }
  }

  Tile TileAt(int index, int queries, int positions, ptrdiff_t ahead) {
    Tile tile;
    tile.ahead = ahead / static_cast<ptrdiff_t>(sizeof(Element));
    tile.keys = reinterpret_cast<const Element*>(HeadOf(view_.kv, head_, index));
    tile.values = tile.keys + d_ * kTilePositions;
    tile.wide = sizeof(Element) != sizeof(float) && queries >= kWidenQueries;
    if (tile.wide) {
      Widen(tile.keys, d_ * kTilePositions, wide_keys_);
      // Positions past the last one that any row sees stay unread.
      Widen(tile.values, d_ * positions, wide_values_);
    }
    return tile;
  }

  template <int kCount>
  void Meet(const Tile& tile, int i, const Range* ranges, Query* queries, float* scores) {
    if (tile.wide) {
      MeetTile<kCount>(q_ + i * d_, wide_keys_, wide_values_, false, 0, d_, view_.softcap, ranges,
                       queries, scores);
    } else {
      // From the values to the keys of the next tile.
      const ptrdiff_t ahead = tile.ahead == 0 ? 0 : tile.ahead - d_ * kTilePositions;
      MeetTile<kCount>(q_ + i * d_, tile.keys, tile.values, true, ahead, d_, view_.softcap, ranges,
                       queries, scores);
    }
  }

 private:
  static void Widen(const Element* from, int count, float* to) {
    for (int i = 0; i < count; i += kLanes) Store(to + i, LoadElement(from + i));
  }

  const AttendView& view_;
  const int head_;
  const int d_;
  float* const q_;
  float* const wide_keys_;
  float* const wide_values_;
};

template <typename Element>
void StoreKvElements(const KvView& kv, int head, ConstRowsView k, ConstRowsView v,
                     std::int64_t first, int rows) {
  const int d = kv.head_dim;
  for (int row = 0; row < rows; ++row) {
    const std::int64_t position = first + row;
    const int at = static_cast<int>(position % kTilePositions);
    auto* keys =
        reinterpret_cast<Element*>(HeadOf(kv, head, static_cast<int>(position / kTilePositions)));
    Element* values = keys + d * kTilePositions + at * d;
    const float* key = k.data + row * k.stride + head * d;
    const float* value = v.data + row * v.stride + head * d;
    for (int c = 0; c < d; c += kLanes) {
      Element elements[kLanes];
      StoreElement(elements, Load(key + c));
      for (int i = 0; i < kLanes; ++i) keys[(c + i) * kTilePositions + at] = elements[i];
      StoreElement(values + c, Load(value + c));
    }
  }
}

}  // namespace

void StoreKvF32(const KvView& kv, int head, ConstRowsView k, ConstRowsView v, std::int64_t first,
                int rows) {
  StoreKvElements<float>(kv, head, k, v, first, rows);
}
void StoreKvF16(const KvView& kv, int head, ConstRowsView k, ConstRowsView v, std::int64_t first,
                int rows) {
  StoreKvElements<uint16_t>(kv, head, k, v, first, rows);
}
void AttendF32(const AttendView& view, int head, int row_begin, int row_end, float* scratch) {
  AttendRows<FloatTiles<float>>(view, head, row_begin, row_end, scratch);
}
void AttendF16(const AttendView& view, int head, int row_begin, int row_end, float* scratch) {
  AttendRows<FloatTiles<uint16_t>>(view, head, row_begin, row_end, scratch);
}
void AttendPartF32(const AttendView& view, int head, int row, int part, float* states,
                   float* scratch) {
  AttendPartOf<FloatTiles<float>>(view, head, row, part, states, scratch);
}
void AttendPartF16(const AttendView& view, int head, int row, int part, float* states,
                   float* scratch) {
  AttendPartOf<FloatTiles<uint16_t>>(view, head, row, part, states, scratch);
}

}  // namespace cairn::kernels::CAIRN_ISA
