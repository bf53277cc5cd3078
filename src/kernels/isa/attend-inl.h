// SPDX-License-Identifier: Apache-2.0
// Attention over KV tiles, whatever their format (canonical.md, section 6): the walk over tiles and
// parts, the running softmax, the merging of parts.
//
// A query is one row of one query head. A format is a class with
//   Format(view, head, queries, scratch)      from where; scratch of AttendScratchFloats
//   SetQuery(i, from)                         takes one query, not yet scaled
//   Tile TileAt(tile, queries, positions, ahead)   looks at a tile that so many queries will meet,
//                                             of which they see no position from `positions` on;
//                                             the next one lies `ahead` bytes on (0: none)
//   Meet<kCount>(tile, i, ranges, states, scores)   queries i .. i + kCount - 1 meet it
// and Meet makes two register tiles of kCount queries: scores, whose lanes are keys, and weighted
// values, whose lanes are channels. With few queries the tiles come as fast as memory gives them,
// in pieces that no prefetcher foresees: then the scores ask for the tile's values, and the values
// for the keys of the next tile. A block of up to kQueries queries takes 24 of 32 registers on
// AVX-512 and NEON and 8 of 16 on AVX2.
#pragma once

#include "kernels/isa/functions.h"
#include "kernels/isa/math-inl.h"

namespace cairn::kernels::CAIRN_ISA {

#if defined(CAIRN_ISA_avx512) || defined(CAIRN_ISA_neon)
inline constexpr int kQueries = 6;
inline constexpr int kVectors = 4;
#elif defined(CAIRN_ISA_avx2) || defined(CAIRN_ISA_avx_vnni)
inline constexpr int kQueries = 4;
inline constexpr int kVectors = 2;
#else
inline constexpr int kQueries = 2;
inline constexpr int kVectors = 1;
#endif
inline constexpr int kTileVectors = kTilePositions / kLanes;
inline constexpr int kMostQueries = kAttendRows * kMostGroup;

// The running state of a query: m, then 16 running sums of the denominator, then o[head_dim].
// And what has been merged of earlier parts: m, l, o.
struct Query {
  float* m;      // m[0]; m[1]: whether this part has a tile yet
  float* lanes;  // 16
  float* o;
  float slope;            // ALiBi; 0: none
  float ahead;            // positions from the query to the first key of the tile that it meets
  const float* relative;  // AttendView::relative of that key, or null
};

// Positions of a tile that a query sees.
struct Range {
  int begin;
  int end;
};

// Whether some position of a tile is hidden.
CAIRN_INLINE bool IsPartial(Range range) { return range.begin > 0 || range.end < kTilePositions; }
// x where vector v of a tile is visible, else `hidden`.
CAIRN_INLINE VF IfVisible(Range range, int v, VF x, VF hidden) {
  const VF at = Add(Lanes(), Set1(static_cast<float>(v * kLanes)));
  x = IfLess(at, Set1(static_cast<float>(range.end)), x, hidden);
  return IfLess(at, Set1(static_cast<float>(range.begin)), hidden, x);
}

// The largest visible score of one query; hidden ones become minus infinity.
CAIRN_INLINE float FindLargest(float* scores, Range range, float softcap, const Query& query) {
  VF s[kTileVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kTileVectors; ++v) s[v] = Load(scores + v * kLanes);
  if (softcap != 0) {
    for (int v = 0; v < kTileVectors; ++v) {
      s[v] = Mul(Set1(softcap), Tanh(Div(s[v], Set1(softcap))));
      Store(scores + v * kLanes, s[v]);
    }
  }
  if (query.slope != 0) {
    for (int v = 0; v < kTileVectors; ++v) {
      const VF ahead = Add(Lanes(), Set1(query.ahead + static_cast<float>(v * kLanes)));
      const VF distance = Max(ahead, Sub(Zero(), ahead));
      s[v] = Fma(Set1(query.slope), Sub(Zero(), distance), s[v]);
      Store(scores + v * kLanes, s[v]);
    }
  }
  if (query.relative != nullptr) {
    for (int v = 0; v < kTileVectors; ++v) {
      s[v] = Add(s[v], Load(query.relative + v * kLanes));
      Store(scores + v * kLanes, s[v]);
    }
  }
  if (IsPartial(range)) {
    for (int v = 0; v < kTileVectors; ++v) {
      s[v] = IfVisible(range, v, s[v], Set1(-__builtin_inff()));
      Store(scores + v * kLanes, s[v]);
    }
  }
  VF most = s[0];
#pragma GCC unroll 8
  for (int v = 1; v < kTileVectors; ++v) most = Max(most, s[v]);
  return ReduceMax(most);
}

// Takes the largest score of a tile into the state; what there is already is rescaled.
CAIRN_INLINE void TakeLargest(float largest, int head_dim, Query& query) {
  float m = largest;
  if (query.m[1] != 0) {
    const float before = query.m[0];
    if (before > m) m = before;
    if (m != before) {
      const VF f = Set1(First(Exp(Set1(before - m))));
      for (int p = 0; p < 16; p += kLanes) {
        Store(query.lanes + p, Mul(Load(query.lanes + p), f));
      }
      for (int c = 0; c < head_dim; c += kLanes) Store(query.o + c, Mul(Load(query.o + c), f));
    }
  }
  query.m[0] = m;
  query.m[1] = 1;
}

// Scores of one query become weights, which the lanes add up.
CAIRN_INLINE void Exponentiate(float* scores, Query& query) {
  const VF m = Set1(query.m[0]);
  VF lanes[kParts];
  for (int p = 0; p < kParts; ++p) lanes[p] = Load(query.lanes + p * kLanes);
#pragma GCC unroll 8
  for (int v = 0; v < kTileVectors; ++v) {
    const VF p = ExpOfNegative(Sub(Load(scores + v * kLanes), m));
    Store(scores + v * kLanes, p);
    lanes[v % kParts] = Add(lanes[v % kParts], p);
  }
  for (int p = 0; p < kParts; ++p) Store(query.lanes + p * kLanes, lanes[p]);
}

// The running softmax of kCount queries over one tile. Step by step for all of them: within a query
// every step waits for the one before.
template <int kCount>
CAIRN_INLINE void Softmax(float* scores, const Range* ranges, float softcap, int head_dim,
                          Query* queries) {
  float largest[kCount];
  for (int i = 0; i < kCount; ++i) {
    largest[i] = FindLargest(scores + i * kTilePositions, ranges[i], softcap, queries[i]);
  }
  for (int i = 0; i < kCount; ++i) TakeLargest(largest[i], head_dim, queries[i]);
  for (int i = 0; i < kCount; ++i) Exponentiate(scores + i * kTilePositions, queries[i]);
}

CAIRN_INLINE int Least(int a, int b) { return a < b ? a : b; }
CAIRN_INLINE int Most(int a, int b) { return a > b ? a : b; }

// Calls visit.template operator()<n>(v) for vectors [begin, end), at most kVectors at once.
template <typename F>
CAIRN_INLINE void ForVectors(int begin, int end, F visit) {
  int v = begin;
  for (; v + kVectors <= end; v += kVectors) visit.template operator()<kVectors>(v);
  if constexpr (kVectors > 2) {
    for (; v + 2 <= end; v += 2) visit.template operator()<2>(v);
  }
  for (; v < end; ++v) visit.template operator()<1>(v);
}

// Asks for kBytes at `at`.
template <int kBytes>
CAIRN_INLINE void PrefetchBytes(const void* at) {
#pragma GCC unroll 8
  for (int line = 0; line < kBytes; line += 64) {
    __builtin_prefetch(static_cast<const char*>(at) + line);
  }
}

// --- one tile -------------------------------------------------------------------------------

// Blocks of kCount queries while so many are left; returns the first query that is left.
template <int kCount, typename Format>
CAIRN_INLINE int MeetBlocks(int i, int end, Format& format, const typename Format::Tile& tile,
                            const Range* ranges, Query* queries, float* scores) {
  if constexpr (kCount <= kQueries) {
    for (; i + kCount <= end; i += kCount) {
      format.template Meet<kCount>(tile, i, ranges + i, queries + i, scores);
    }
  }
  return i;
}

// Queries [begin, end) meet a tile.
template <typename Format>
CAIRN_INLINE void MeetInBlocks(Format& format, const typename Format::Tile& tile, int begin,
                               int end, const Range* ranges, Query* queries, float* scores) {
  int i = begin;
  i = MeetBlocks<6>(i, end, format, tile, ranges, queries, scores);
  i = MeetBlocks<4>(i, end, format, tile, ranges, queries, scores);
  i = MeetBlocks<3>(i, end, format, tile, ranges, queries, scores);
  i = MeetBlocks<2>(i, end, format, tile, ranges, queries, scores);
  MeetBlocks<1>(i, end, format, tile, ranges, queries, scores);
}

// --- parts ----------------------------------------------------------------------------------

CAIRN_INLINE Range VisibleRange(const AttendView& view, int row) {
  // As absolute positions; int is enough for contexts below 2^31.
  const std::int64_t position = view.first + row;
  const int window = view.window;
  std::int64_t begin = window > 0 && position >= window ? position - window + 1 : 0;
  if (view.chunked && window > 0) begin = position - position % window;
  std::int64_t end = view.end > 0 ? view.end : position + 1;
  if (window > 0 && end - position > window) end = position + window;
  return {static_cast<int>(begin), static_cast<int>(end)};
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

CAIRN_INLINE float ExpOne(float x) { return First(Exp(Set1(x))); }

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

// `sink`: a score without a value, or null.
CAIRN_INLINE void WriteOutput(const float* o, float m, float l, int head_dim, const float* sink,
                              float* out) {
  float numerator = 1.0f;
  if (sink != nullptr) {
    const float most = *sink > m ? *sink : m;
    numerator = ExpOne(m - most);
    l = __builtin_fmaf(l, numerator, ExpOne(*sink - most));
  }
  const VF inverse = Set1(numerator / l);
  for (int c = 0; c < head_dim; c += kLanes) Store(out + c, Mul(Load(o + c), inverse));
}

// What has been merged of earlier parts, in a state of 32 + head_dim floats: m, whether there is
// one, l, then o at 32.
CAIRN_INLINE void EndPart(Query& query, int head_dim, float* merged) {
  if (query.m[1] == 0) return;
  const float l = Denominator(query);
  if (merged[1] != 0) {
    Merge(merged[0], merged[2], merged + 32, query.m[0], l, query.o, head_dim);
  } else {
    merged[0] = query.m[0];
    merged[1] = 1;
    merged[2] = l;
    for (int c = 0; c < head_dim; c += kLanes) Store(merged + 32 + c, Load(query.o + c));
  }
  StartPart(query, head_dim);
}

// --- the walks ------------------------------------------------------------------------------

// Where one KV head lies in a tile.
CAIRN_INLINE std::byte* HeadOf(const KvView& kv, int head, int tile) {
  return kv.tiles[tile] + kv.offset +
         static_cast<size_t>(head) * KvHeadBytes(kv.format, kv.head_dim);
}
// From there to the same head in the next tile; 0 where `tile` is the last of a walk.
CAIRN_INLINE ptrdiff_t BytesAhead(const KvView& kv, int head, int tile, int last_tile) {
  return tile < last_tile ? HeadOf(kv, head, tile + 1) - HeadOf(kv, head, tile) : 0;
}

// Positions of a tile within a range of absolute ones.
CAIRN_INLINE Range InTile(Range absolute, int tile) {
  const int begin = absolute.begin - tile * kTilePositions;
  const int end = absolute.end - tile * kTilePositions;
  return {Most(begin, 0), Least(end, kTilePositions)};
}

// Query heads [first, first + group) of the model, which share KV head `head`.
struct HeadGroup {
  int head;
  int first;
  int group;
};

// Calls visit for the query heads of a KV head, at most kMostGroup at once.
template <typename F>
CAIRN_INLINE void ForGroups(const AttendView& view, int head, F visit) {
  for (int at = 0; at < view.group; at += kMostGroup) {
    visit(HeadGroup{head, head * view.group + at, Least(view.group - at, kMostGroup)});
  }
}

CAIRN_INLINE float SlopeOf(const AttendView& view, int query_head) {
  return view.slopes != nullptr ? view.slopes[query_head] : 0;
}
// Of the first key of a tile, `ahead` positions from the query.
CAIRN_INLINE const float* RelativeOf(const AttendView& view, int query_head, int ahead) {
  return view.relative != nullptr ? view.relative + query_head * view.relative_stride + ahead
                                  : nullptr;
}
CAIRN_INLINE const float* SinkOf(const AttendView& view, int query_head) {
  return view.sinks != nullptr ? view.sinks + query_head : nullptr;
}

// Kernels::attend. Tiles are the outer loop: every query of the call meets a tile while it is in
// the cache. The scratch holds states of the part, merged states, scores, and the format's own.
template <typename Format>
CAIRN_INLINE void AttendGroup(const AttendView& view, HeadGroup heads, int row_begin, int row_end,
                              float* scratch) {
  const int d = view.kv.head_dim;
  const int group = heads.group;
  const int count = (row_end - row_begin) * group;
  const int state = 32 + d;
  float* part_states = scratch;
  float* merged = part_states + count * state;
  float* scores = merged + count * state;
  Format format(view, heads.head, count, scores + kQueries * kTilePositions);
  Query queries[kMostQueries];
  Range ranges[kMostQueries];
  for (int i = 0; i < count; ++i) {
    const int row = row_begin + i / group;
    const int query_head = heads.first + i % group;
    format.SetQuery(i, view.q.data + row * view.q.stride + query_head * d);
    float* base = part_states + i * state;
    queries[i] = {base, base + 16, base + 32, SlopeOf(view, query_head), 0, nullptr};
    merged[i * state + 1] = 0;  // nothing merged yet
    ranges[i] = VisibleRange(view, row);
    StartPart(queries[i], d);
  }
  const int first_tile = ranges[0].begin / kTilePositions;
  const int last_tile = (ranges[count - 1].end - 1) / kTilePositions;
  constexpr int kPartTiles = kPartPositions / kTilePositions;
  for (int tile = first_tile; tile <= last_tile; ++tile) {
    const int base = tile * kTilePositions;
    // Rows see contiguous ranges that move on together: those that meet this tile are contiguous.
    int low = 0;
    while (low < count && ranges[low].end <= base) ++low;
    int high = count;
    while (high > low && ranges[high - 1].begin >= base + kTilePositions) --high;
    Range local[kMostQueries];
    for (int i = low; i < high; ++i) local[i] = InTile(ranges[i], tile);
    if (view.slopes != nullptr || view.relative != nullptr) {
      const int first = static_cast<int>(view.first) + row_begin;
      for (int i = low; i < high; ++i) {
        const int ahead = base - (first + i / group);
        queries[i].ahead = static_cast<float>(ahead);
        queries[i].relative = RelativeOf(view, heads.first + i % group, ahead);
      }
    }
    if (low < high) {
      const ptrdiff_t ahead = BytesAhead(view.kv, heads.head, tile, last_tile);
      const auto at = format.TileAt(tile, high - low, local[high - 1].end, ahead);
      MeetInBlocks(format, at, low, high, local, queries, scores);
    }
    if (tile == last_tile || (tile + 1) % kPartTiles == 0) {
      for (int i = 0; i < count; ++i) EndPart(queries[i], d, merged + i * state);
    }
  }
  for (int i = 0; i < count; ++i) {
    const int row = row_begin + i / group;
    const int query_head = heads.first + i % group;
    const float* of = merged + i * state;
    WriteOutput(of + 32, of[0], of[2], d, SinkOf(view, query_head),
                view.out.data + row * view.out.stride + query_head * d);
  }
}

template <typename Format>
CAIRN_INLINE void AttendRows(const AttendView& view, int head, int row_begin, int row_end,
                             float* scratch) {
  ForGroups(
      view, head, [&](HeadGroup heads) __attribute__((always_inline)) {
        AttendGroup<Format>(view, heads, row_begin, row_end, scratch);
      });
}

// Kernels::attend_part.
template <typename Format>
CAIRN_INLINE void AttendPartOfGroup(const AttendView& view, HeadGroup heads, int row, int part,
                                    float* states, float* scratch) {
  const int d = view.kv.head_dim;
  const int group = heads.group;
  const int stride = PartStride(d);
  float* lanes = scratch;
  float* scores = lanes + group * 16;
  Format format(view, heads.head, group, scores + kQueries * kTilePositions);
  Query queries[kMostGroup];
  Range ranges[kMostGroup];
  float m[kMostGroup][2];
  const Range visible = VisibleRange(view, row);
  for (int i = 0; i < group; ++i) {
    format.SetQuery(i, view.q.data + row * view.q.stride + (heads.first + i) * d);
    queries[i] = {m[i], lanes + 16 * i, states + i * stride + 16, SlopeOf(view, heads.first + i),
                  0,    nullptr};
    StartPart(queries[i], d);
  }
  constexpr int kPartTiles = kPartPositions / kTilePositions;
  const int last_tile = Least((part + 1) * kPartTiles, (visible.end - 1) / kTilePositions + 1) - 1;
  for (int tile = part * kPartTiles; tile <= last_tile; ++tile) {
    const Range local = InTile(visible, tile);
    if (local.begin >= kTilePositions) continue;
    for (int i = 0; i < group; ++i) {
      ranges[i] = local;
      const int ahead = tile * kTilePositions - (static_cast<int>(view.first) + row);
      queries[i].ahead = static_cast<float>(ahead);
      queries[i].relative = RelativeOf(view, heads.first + i, ahead);
    }
    const ptrdiff_t ahead = BytesAhead(view.kv, heads.head, tile, last_tile);
    MeetInBlocks(format, format.TileAt(tile, group, local.end, ahead), 0, group, ranges, queries,
                 scores);
  }
  for (int i = 0; i < group; ++i) {
    states[i * stride] = m[i][0];
    states[i * stride + 1] = Denominator(queries[i]);
  }
}

template <typename Format>
CAIRN_INLINE void AttendPartOf(const AttendView& view, int head, int row, int part, float* states,
                               float* scratch) {
  ForGroups(
      view, head, [&](HeadGroup heads) __attribute__((always_inline)) {
        const int before = heads.first - head * view.group;
        AttendPartOfGroup<Format>(view, heads, row, part,
                                  states + before * PartStride(view.kv.head_dim), scratch);
      });
}

}  // namespace cairn::kernels::CAIRN_ISA
