// SPDX-License-Identifier: Apache-2.0
// Attention over f16 KV tiles (canonical.md, section 6).
//
// A query is one row of one query head. Both products are register tiles of kQueries queries:
//   scores   lanes are keys: kQueries x kVectors sums, per channel one load per vector of keys and
//            one broadcast per query; vectors of keys that no query of the block sees are left out;
//   values   lanes are channels: kQueries x kVectors sums, per position one load per vector of
//            channels and one broadcast of a weight per query.
// AVX-512: 6 x 4 = 24 of 32 registers; AVX2: 4 x 2 = 8 of 16 (6 x 2 gains 5 % from 128
// channels on and loses as much below). Fewer queries than a block take narrower tiles. With many
// queries a tile's keys and values are widened to f32 once; with few (decode) they are widened as
// they are read, so that each byte of KV is read once. Formulas per query are the same, so the
// bytes are.
#include "kernels/isa/functions.h"
#include "kernels/isa/math-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

#if defined(CAIRN_ISA_avx512)
constexpr int kQueries = 6;
constexpr int kVectors = 4;
#elif defined(CAIRN_ISA_avx2)
constexpr int kQueries = 4;
constexpr int kVectors = 2;
#else
constexpr int kQueries = 2;
constexpr int kVectors = 1;
#endif
constexpr int kWidenQueries = 8;  // from so many queries on, widening a tile first pays
constexpr int kTileVectors = kTilePositions / kLanes;

CAIRN_INLINE VF LoadElement(const float* p) { return Load(p); }
CAIRN_INLINE VF LoadElement(const uint16_t* p) { return LoadHalf(p); }

// The running state of a query: m, then 16 running sums of the denominator, then o[head_dim].
// And what has been merged of earlier parts: m, l, o.
struct Query {
  float* m;      // m[0]; m[1]: whether this part has a tile yet
  float* lanes;  // 16
  float* o;
};

// --- the two products -----------------------------------------------------------------------

// scores[q][..] = q . k for kCount queries and kUse vectors of keys from `keys` on; rows of q are
// head_dim apart.
template <int kCount, int kUse, typename Element>
CAIRN_INLINE void ScoresAt(const float* q, const Element* keys, int head_dim, float* scores) {
  VF sums[kCount][kUse];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) sums[i][v] = Zero();
  }
  for (int c = 0; c < head_dim; ++c, keys += kTilePositions) {
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

// Scores of the vectors of keys [begin, end) of a tile; the others stay as they are.
template <int kCount, typename Element>
CAIRN_INLINE void Scores(const float* q, const Element* keys, int head_dim, int begin, int end,
                         float* scores) {
  int v = begin;
  for (; v + kVectors <= end; v += kVectors) {
    ScoresAt<kCount, kVectors>(q, keys + v * kLanes, head_dim, scores + v * kLanes);
  }
  if constexpr (kVectors > 2) {
    for (; v + 2 <= end; v += 2) {
      ScoresAt<kCount, 2>(q, keys + v * kLanes, head_dim, scores + v * kLanes);
    }
  }
  for (; v < end; ++v) {
    ScoresAt<kCount, 1>(q, keys + v * kLanes, head_dim, scores + v * kLanes);
  }
}

// o[q] += sum over positions [begin, end) of p[q][j] * values[j], kUse vectors of channels from c0.
template <int kCount, int kUse, typename Element>
CAIRN_INLINE void AddValuesAt(const float* p, const Element* values, int head_dim, int begin,
                              int end, int c0, float* const* o) {
  VF sums[kCount][kUse];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kUse; ++v) sums[i][v] = Load(o[i] + c0 + v * kLanes);
  }
  const Element* at = values + static_cast<ptrdiff_t>(begin) * head_dim + c0;
  for (int j = begin; j < end; ++j, at += head_dim) {
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
CAIRN_INLINE void AddValues(const float* p, const Element* values, int head_dim, int begin, int end,
                            float* const* o) {
  if (begin >= end) return;
  int c0 = 0;
  for (; c0 + kVectors * kLanes <= head_dim; c0 += kVectors * kLanes) {
    AddValuesAt<kCount, kVectors>(p, values, head_dim, begin, end, c0, o);
  }
  if constexpr (kVectors > 2) {
    for (; c0 + 2 * kLanes <= head_dim; c0 += 2 * kLanes) {
      AddValuesAt<kCount, 2>(p, values, head_dim, begin, end, c0, o);
    }
  }
  for (; c0 < head_dim; c0 += kLanes) {
    AddValuesAt<kCount, 1>(p, values, head_dim, begin, end, c0, o);
  }
}

// --- one tile -------------------------------------------------------------------------------

// Positions of a tile that a query sees.
struct Range {
  int begin;
  int end;
};

// Scores of one query become weights; m, the lanes and o are rescaled.
CAIRN_INLINE void Softmax(float* scores, Range range, float softcap, int head_dim, Query& query) {
  VF s[kTileVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kTileVectors; ++v) s[v] = Load(scores + v * kLanes);
  if (softcap != 0) {
    for (int v = 0; v < kTileVectors; ++v) {
      s[v] = Mul(Set1(softcap), Tanh(Div(s[v], Set1(softcap))));
    }
  }
  if (range.begin > 0 || range.end < kTilePositions) {
    alignas(64) float index[kTilePositions];
    for (int j = 0; j < kTilePositions; ++j) index[j] = static_cast<float>(j);
    const VF hidden = Set1(-__builtin_inff());
    for (int v = 0; v < kTileVectors; ++v) {
      const VF at = Load(index + v * kLanes);
      s[v] = IfLess(at, Set1(static_cast<float>(range.end)), s[v], hidden);
      s[v] = IfLess(at, Set1(static_cast<float>(range.begin)), hidden, s[v]);
    }
  }
  VF most = s[0];
#pragma GCC unroll 8
  for (int v = 1; v < kTileVectors; ++v) most = Max(most, s[v]);
  float m = ReduceMax(most);
  if (query.m[1] != 0) {
    const float before = query.m[0];
    if (before > m) m = before;
    if (m != before) {
      alignas(64) float factor[kLanes];
      Store(factor, Exp(Set1(before - m)));
      const VF f = Set1(factor[0]);
      for (int p = 0; p < 16; p += kLanes) {
        Store(query.lanes + p, Mul(Load(query.lanes + p), f));
      }
      for (int c = 0; c < head_dim; c += kLanes) Store(query.o + c, Mul(Load(query.o + c), f));
    }
  }
  query.m[0] = m;
  query.m[1] = 1;
  VF lanes[kParts];
  for (int p = 0; p < kParts; ++p) lanes[p] = Load(query.lanes + p * kLanes);
#pragma GCC unroll 8
  for (int v = 0; v < kTileVectors; ++v) {
    const VF p = Exp(Sub(s[v], Set1(m)));
    Store(scores + v * kLanes, p);
    lanes[v % kParts] = Add(lanes[v % kParts], p);
  }
  for (int p = 0; p < kParts; ++p) Store(query.lanes + p * kLanes, lanes[p]);
}

// The positions that some queries of a block see and others do not.
template <typename Element>
__attribute__((noinline)) void AddValuesOfOne(const float* p, const Element* values, int head_dim,
                                              Range range, float* o) {
  AddValues<1>(p, values, head_dim, range.begin, range.end, &o);
}

CAIRN_INLINE int Least(int a, int b) { return a < b ? a : b; }
CAIRN_INLINE int Most(int a, int b) { return a > b ? a : b; }

// kCount queries meet one tile.
template <int kCount, typename Element>
__attribute__((noinline)) void MeetTile(const float* q, const Element* keys, const Element* values,
                                        int head_dim, float softcap, const Range* ranges,
                                        Query* queries, float* scores) {
  Range any = ranges[0], common = ranges[0];  // seen by one at least; by all
  float* o[kCount];
  for (int i = 0; i < kCount; ++i) {
    any = {Least(any.begin, ranges[i].begin), Most(any.end, ranges[i].end)};
    common = {Most(common.begin, ranges[i].begin), Least(common.end, ranges[i].end)};
    o[i] = queries[i].o;
  }
  if (common.begin >= common.end) common = {kTilePositions, kTilePositions};
  Scores<kCount>(q, keys, head_dim, any.begin / kLanes, (any.end + kLanes - 1) / kLanes, scores);
  for (int i = 0; i < kCount; ++i) {
    Softmax(scores + i * kTilePositions, ranges[i], softcap, head_dim, queries[i]);
    const Range before = {ranges[i].begin, Least(common.begin, ranges[i].end)};
    AddValuesOfOne(scores + i * kTilePositions, values, head_dim, before, o[i]);
  }
  AddValues<kCount>(scores, values, head_dim, common.begin, common.end, o);
  for (int i = 0; i < kCount; ++i) {
    const Range after = {common.end, ranges[i].end};
    AddValuesOfOne(scores + i * kTilePositions, values, head_dim, after, o[i]);
  }
}

// Blocks of kCount queries while so many are left; returns the first query that is left.
template <int kCount, typename Element>
CAIRN_INLINE int MeetBlocks(int i, const float* q, const Element* keys, const Element* values,
                            int head_dim, float softcap, const Range* ranges, Query* queries,
                            int count, float* scores) {
  if constexpr (kCount <= kQueries) {
    for (; i + kCount <= count; i += kCount) {
      MeetTile<kCount>(q + i * head_dim, keys, values, head_dim, softcap, ranges + i, queries + i,
                       scores);
    }
  }
  return i;
}

template <typename Element>
void MeetTileInBlocks(const float* q, const Element* keys, const Element* values, int head_dim,
                      float softcap, const Range* ranges, Query* queries, int count,
                      float* scores) {
  int i = 0;
  i = MeetBlocks<6>(i, q, keys, values, head_dim, softcap, ranges, queries, count, scores);
  i = MeetBlocks<4>(i, q, keys, values, head_dim, softcap, ranges, queries, count, scores);
  i = MeetBlocks<3>(i, q, keys, values, head_dim, softcap, ranges, queries, count, scores);
  i = MeetBlocks<2>(i, q, keys, values, head_dim, softcap, ranges, queries, count, scores);
  MeetBlocks<1>(i, q, keys, values, head_dim, softcap, ranges, queries, count, scores);
}

// --- parts ----------------------------------------------------------------------------------

CAIRN_INLINE Range VisibleRange(std::int64_t position, int window) {
  // As absolute positions; int is enough for contexts below 2^31.
  const std::int64_t begin = window > 0 && position >= window ? position - window + 1 : 0;
  return {static_cast<int>(begin), static_cast<int>(position) + 1};
}

CAIRN_INLINE void StartPart(Query& query, int head_dim) {
  query.m[0] = 0;
  query.m[1] = 0;
  for (int p = 0; p < 16; p += kLanes) Store(query.lanes + p, Zero());
  for (int c = 0; c < head_dim; c += kLanes) Store(query.o + c, Zero());
}

CAIRN_INLINE float Denominator(const Query& query) {
  VF lanes[kParts];
  for (int p = 0; p < kParts; ++p) lanes[p] = Load(query.lanes + p * kLanes);
  return SumTree(lanes);
}

CAIRN_INLINE float ExpOne(float x) {
  alignas(64) float lanes[kLanes];
  Store(lanes, Exp(Set1(x)));
  return lanes[0];
}

// (m, l, o) of earlier parts meets (m_p, l_p, o_p) of the next.
CAIRN_INLINE void Merge(float& m, float& l, float* o, float part_m, float part_l,
                        const float* part_o, int head_dim) {
  const float most = part_m > m ? part_m : m;
  const float a = ExpOne(m - most);
  const float b = ExpOne(part_m - most);
  l = __builtin_fmaf(part_l, b, l * a);
  for (int c = 0; c < head_dim; c += kLanes) {
    Store(o + c, Fma(Load(part_o + c), Set1(b), Mul(Load(o + c), Set1(a))));
  }
  m = most;
}

CAIRN_INLINE void WriteOutput(const float* o, float l, int head_dim, float* out) {
  const VF inverse = Set1(1.0f / l);
  for (int c = 0; c < head_dim; c += kLanes) Store(out + c, Mul(Load(o + c), inverse));
}

template <typename Element>
CAIRN_INLINE void Widen(const uint16_t* from, int count, Element* to) {
  for (int i = 0; i < count; i += kLanes) Store(to + i, LoadHalf(from + i));
}

// Where the halves of one KV head lie in a tile.
CAIRN_INLINE const uint16_t* KeysOf(const KvView& kv, int head, int tile) {
  const size_t head_bytes = static_cast<size_t>(kv.head_dim) * kTilePositions * 4;
  return reinterpret_cast<const uint16_t*>(reinterpret_cast<const uint8_t*>(kv.tiles[tile]) +
                                           kv.offset + static_cast<size_t>(head) * head_bytes);
}

constexpr int kMostQueries = kAttendRows * kMostGroup;

}  // namespace

void StoreKv(const KvView& kv, int head, ConstRowsView k, ConstRowsView v, std::int64_t first,
             int rows) {
  const int d = kv.head_dim;
  for (int row = 0; row < rows; ++row) {
    const std::int64_t position = first + row;
    const int at = static_cast<int>(position % kTilePositions);
    auto* keys =
        const_cast<uint16_t*>(KeysOf(kv, head, static_cast<int>(position / kTilePositions)));
    uint16_t* values = keys + d * kTilePositions + at * d;
    const float* from = k.data + row * k.stride + head * d;
    const float* value = v.data + row * v.stride + head * d;
    for (int c = 0; c < d; c += kLanes) {
      uint16_t halves[kLanes];
      StoreHalf(halves, Load(from + c));
      for (int i = 0; i < kLanes; ++i) keys[(c + i) * kTilePositions + at] = halves[i];
      StoreHalf(values + c, Load(value + c));
    }
  }
}

// Tiles are the outer loop: every query of the call meets a tile while it is in the cache. The
// scratch holds, in this order: scaled queries, states of the part, merged states, scores, and the
// widened tile.
void Attend(const AttendView& view, int head, int row_begin, int row_end, float* scratch) {
  const int d = view.kv.head_dim;
  const int group = view.group;
  const int count = (row_end - row_begin) * group;
  const int state = 32 + d;
  float* q = scratch;
  float* part_states = q + count * d;
  float* merged = part_states + count * state;
  float* scores = merged + count * state;
  float* wide_keys = scores + kQueries * kTilePositions;
  float* wide_values = wide_keys + d * kTilePositions;

  Query queries[kMostQueries];
  Range ranges[kMostQueries];
  for (int i = 0; i < count; ++i) {
    const int row = row_begin + i / group;
    const float* from = view.q.data + row * view.q.stride + (head * group + i % group) * d;
    for (int c = 0; c < d; c += kLanes) {
      Store(q + i * d + c, Mul(Load(from + c), Set1(view.scale)));
    }
    float* base = part_states + i * state;
    queries[i] = {base, base + 16, base + 32};
    merged[i * state + 1] = 0;  // nothing merged yet
    ranges[i] = VisibleRange(view.first + row, view.window);
  }
  const int first_tile = ranges[0].begin / kTilePositions;
  const int last_tile = (ranges[count - 1].end - 1) / kTilePositions;
  const int part_tiles = kPartPositions / kTilePositions;
  for (int i = 0; i < count; ++i) StartPart(queries[i], d);
  for (int tile = first_tile; tile <= last_tile; ++tile) {
    const int base = tile * kTilePositions;
    // Rows see contiguous ranges that move on together: those that meet this tile are contiguous.
    int low = 0;
    while (low < count && ranges[low].end <= base) ++low;
    int high = count;
    while (high > low && ranges[high - 1].begin >= base + kTilePositions) --high;
    Range local[kMostQueries];
    for (int i = low; i < high; ++i) {
      const int begin = ranges[i].begin - base, end = ranges[i].end - base;
      local[i] = {begin > 0 ? begin : 0, end < kTilePositions ? end : kTilePositions};
    }
    const uint16_t* keys = KeysOf(view.kv, head, tile);
    const uint16_t* values = keys + d * kTilePositions;
    if (high - low >= kWidenQueries) {
      Widen(keys, d * kTilePositions, wide_keys);
      // Positions past the last one that any row sees stay unread.
      Widen(values, d * local[high - 1].end, wide_values);
      MeetTileInBlocks(q + low * d, wide_keys, wide_values, d, view.softcap, local + low,
                       queries + low, high - low, scores);
    } else {
      MeetTileInBlocks(q + low * d, keys, values, d, view.softcap, local + low, queries + low,
                       high - low, scores);
    }
    if (tile == last_tile || (tile + 1) % part_tiles == 0) {
      for (int i = 0; i < count; ++i) {
        if (queries[i].m[1] == 0) continue;
        float* to = merged + i * state;
        const float l = Denominator(queries[i]);
        if (to[1] == 0) {
          to[0] = queries[i].m[0];
          to[1] = 1;
          to[2] = l;
          for (int c = 0; c < d; c += kLanes) Store(to + 32 + c, Load(queries[i].o + c));
        } else {
          Merge(to[0], to[2], to + 32, queries[i].m[0], l, queries[i].o, d);
        }
        StartPart(queries[i], d);
      }
    }
  }
  for (int i = 0; i < count; ++i) {
    const int row = row_begin + i / group;
    WriteOutput(merged + i * state + 32, merged[i * state + 2], d,
                view.out.data + row * view.out.stride + (head * group + i % group) * d);
  }
}

void AttendPart(const AttendView& view, int head, int row, int part, float* states,
                float* scratch) {
  const int d = view.kv.head_dim;
  const int group = view.group;
  const int stride = PartStride(d);
  float* q = scratch;
  float* lanes = q + group * d;
  float* scores = lanes + group * 16;
  Query queries[kMostGroup];
  Range ranges[kMostGroup];
  float m[kMostGroup][2];
  const Range visible = VisibleRange(view.first + row, view.window);
  for (int i = 0; i < group; ++i) {
    const float* from = view.q.data + row * view.q.stride + (head * group + i) * d;
    for (int c = 0; c < d; c += kLanes) {
      Store(q + i * d + c, Mul(Load(from + c), Set1(view.scale)));
    }
    queries[i] = {m[i], lanes + 16 * i, states + i * stride + 16};
    StartPart(queries[i], d);
  }
  const int part_tiles = kPartPositions / kTilePositions;
  for (int tile = part * part_tiles; tile < (part + 1) * part_tiles; ++tile) {
    const int begin = visible.begin - tile * kTilePositions;
    const int end = visible.end - tile * kTilePositions;
    if (begin >= kTilePositions || end <= 0) continue;
    for (int i = 0; i < group; ++i) {
      ranges[i] = {begin > 0 ? begin : 0, end < kTilePositions ? end : kTilePositions};
    }
    const uint16_t* keys = KeysOf(view.kv, head, tile);
    MeetTileInBlocks(q, keys, keys + d * kTilePositions, d, view.softcap, ranges, queries, group,
                     scores);
  }
  for (int i = 0; i < group; ++i) {
    states[i * stride] = m[i][0];
    states[i * stride + 1] = Denominator(queries[i]);
  }
}

void MergeParts(const float* states, int parts, std::ptrdiff_t stride, int head_dim, float* out) {
  alignas(64) float o[kMostHeadDim];
  float m = states[0];
  float l = states[1];
  for (int c = 0; c < head_dim; c += kLanes) Store(o + c, Load(states + 16 + c));
  for (int p = 1; p < parts; ++p) {
    const float* part = states + p * stride;
    Merge(m, l, o, part[0], part[1], part + 16, head_dim);
  }
  WriteOutput(o, l, head_dim, out);
}

}  // namespace cairn::kernels::CAIRN_ISA
