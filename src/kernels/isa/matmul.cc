// SPDX-License-Identifier: Apache-2.0
// The loops of a matmul over groups of outputs and tiles of rows, and what becomes of a product
// before it is stored. Tiles are the inner loop: a group's weights stay in the first-level cache
// while all rows pass, and where many do, they are unpacked once for all of them. A format is one
// line here and one file beside this one.
#include "kernels/isa/functions.h"
#include "kernels/isa/math-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

// How the tiles of a format are computed. Nothing is to be expanded in Q8_0 and floats, and Q2_K
// adds its minima another way.
struct FormatTiles {
  TileFunction* packed = nullptr;
  Expansion expanded = {};
};

FormatTiles TilesOf(tensor::Format format) {
  using tensor::Format;
  switch (format) {
    case Format::kF32: return {TileF32};
    case Format::kF16: return {TileF16};
    case Format::kBF16: return {TileBF16};
    case Format::kQ4_0: return {TileQ4_0, kExpandQ4_0};
    case Format::kQ4_1: return {TileQ4_1, kExpandQ4_1};
    case Format::kQ5_0: return {TileQ5_0, kExpandQ5_0};
    case Format::kQ5_1: return {TileQ5_1, kExpandQ5_1};
    case Format::kQ8_0: return {TileQ8_0};
    case Format::kQ4_K: return {TileQ4_K, kExpandQ4_K};
    case Format::kQ5_K: return {TileQ5_K, kExpandQ5_K};
    case Format::kQ6_K: return {TileQ6_K, kExpandQ6_K};
    case Format::kQ2_K: return {TileQ2_K};
    case Format::kQ3_K: return {TileQ3_K, kExpandQ3_K};
    case Format::kIQ4_NL: return {TileIQ4_NL, kExpandIQ4_NL};
    case Format::kIQ4_XS: return {TileIQ4_XS, kExpandIQ4_XS};
    case Format::kMXFP4: return {TileMXFP4, kExpandMXFP4};
    case Format::kNVFP4: return {TileNVFP4, kExpandNVFP4};
    case Format::kTQ2_0: return {TileTQ2_0, kExpandTQ2_0};
    case Format::kIQ1_S: return {TileIQ1_S, kExpandIQ1_S};
    case Format::kIQ1_M: return {TileIQ1_M, kExpandIQ1_M};
    case Format::kIQ2_XXS: return {TileIQ2_XXS, kExpandIQ2_XXS};
    case Format::kIQ2_S: return {TileIQ2_S, kExpandIQ2_S};
    case Format::kIQ3_XXS: return {TileIQ3_XXS, kExpandIQ3_XXS};
    case Format::kIQ3_S: return {TileIQ3_S, kExpandIQ3_S};
    case Format::kTQ1_0: return {TileTQ2_0, kExpandTQ2_0};   // packed as it
    case Format::kIQ2_XS: return {TileIQ2_S, kExpandIQ2_S};  // packed as it
    default: return {};  // not reached: PackGroups refuses formats without a matmul
  }
}

// The outputs of one group in one row: to = a + b.
CAIRN_INLINE void AddGroup(const float* a, const float* b, float* to) {
  for (int i = 0; i < kGroupRows; i += kLanes) Store(to + i, Add(Load(a + i), Load(b + i)));
}

// From so many rows on a group's weights are expanded first, where they fit: expanding costs about
// as much as it saves in two tiles, three where it leaves the first-level cache.
constexpr int kExpandRows = 3 * kMostTileRows + 1;
constexpr int kMostExpandedBlocks = 256;  // 160 KiB: with the rows of a unit half an L2

// One matrix with its packed rows, ready to be walked.
class Walk {
 public:
  Walk(const Factors& factors, int rows)
      : weights_(*factors.weights),
        tiles_(TilesOf(weights_.format)),
        rows_(factors.tiles),
        bias_(factors.bias),
        calls_((rows + kMostTileRows - 1) / kMostTileRows),
        tile_bytes_(PackedTileBytes(ActivationOf(weights_.format), weights_.cols)),
        expands_(rows >= kExpandRows && tiles_.expanded.expand != nullptr &&
                 weights_.cols <= kMostExpandedBlocks * kBlockValues),
        expanded_{.cols = weights_.cols, .data = expanded_bytes_} {}
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // Before the first tile of a group.
  void Begin(int group) {
    if (expands_) tiles_.expanded.expand(weights_, group, expanded_bytes_);
  }
  // Products of the rows of tile `index`, without the bias.
  void Bare(int group, int index, int rows, float* out, std::ptrdiff_t stride) const {
    const std::byte* tile = rows_ + static_cast<size_t>(index) * tile_bytes_;
    const TileRows call{tile, rows, out, stride, index, calls_};
    if (expands_) {
      AskForNext(group, index);
      tiles_.expanded.tile(expanded_, 0, call);
    } else {
      tiles_.packed(weights_, group, call);
    }
  }
  void Tile(int group, int index, int rows, float* out, std::ptrdiff_t stride) const {
    Bare(group, index, rows, out, stride);
    if (bias_ == nullptr) return;
    for (int r = 0; r < rows; ++r, out += stride) AddGroup(out, bias_ + group * kGroupRows, out);
  }
  const float* bias(int group) const {
    return bias_ == nullptr ? nullptr : bias_ + group * kGroupRows;
  }

 private:
  // Tiles over an expanded group ask for nothing: the next group's weights, a share with each.
  void AskForNext(int group, int index) const {
    const size_t share = weights_.group_bytes / static_cast<size_t>(calls_);
    const std::byte* next = weights_.data + static_cast<size_t>(group + 1) * weights_.group_bytes;
    const std::byte* begin = next + static_cast<size_t>(index) * share;
    for (size_t line = 0; line < share; line += 64) __builtin_prefetch(begin + line);
  }

  const PackedMatrix& weights_;
  const FormatTiles tiles_;
  const std::byte* rows_;
  const float* const bias_;
  const int calls_;  // of a tile for each group
  const size_t tile_bytes_;
  const bool expands_;
  const PackedMatrix expanded_;  // of one group
  alignas(64) std::byte expanded_bytes_[kMostExpandedBlocks * kExpandedBlockBytes];
};

// Products of one tile on their way to an epilogue.
struct Products {
  alignas(64) float at[kMostTileRows * kGroupRows];
  const float* row(int r) const { return at + r * kGroupRows; }
};

// Outputs are far apart from row to row: their lines are under way while the tile runs.
CAIRN_INLINE void AskForRows(const float* out, std::ptrdiff_t stride, int rows) {
  for (int r = 0; r < rows; ++r) __builtin_prefetch(out + r * stride, 1);
}

// Calls begin(group), then visit(group, tile, first row, rows) for its tiles, for all groups.
template <typename B, typename F>
CAIRN_INLINE void ForTiles(int group_begin, int group_end, int rows, B begin, F visit) {
  for (int group = group_begin; group < group_end; ++group) {
    begin(group);
    for (int row = 0, tile = 0; row < rows; row += kMostTileRows, ++tile) {
      visit(group, tile, row, rows - row < kMostTileRows ? rows - row : kMostTileRows);
    }
  }
}

// The outputs of a group in rows from `row` on.
CAIRN_INLINE float* At(RowsView out, int row, int group) {
  return out.data + row * out.stride + group * kGroupRows;
}
CAIRN_INLINE const float* At(ConstRowsView out, int row, int group) {
  return out.data + row * out.stride + group * kGroupRows;
}

}  // namespace

void Matmul(const Factors& factors, int group_begin, int group_end, int rows, RowsView out) {
  Walk walk(factors, rows);
  const auto begin = [&](int group) { walk.Begin(group); };
  ForTiles(group_begin, group_end, rows, begin, [&](int group, int tile, int row, int count) {
    float* to = At(out, row, group - group_begin);
    AskForRows(to, out.stride, count);
    walk.Tile(group, tile, count, to, out.stride);
  });
}

void MatmulPairs(const Factors& factors, int group_begin, int group_end, int rows, RowsView out) {
  Walk walk(factors, 2 * rows);
  const auto begin = [&](int group) { walk.Begin(group); };
  Products products;
  ForTiles(group_begin, group_end, 2 * rows, begin, [&](int group, int tile, int row, int count) {
    float* to = At(out, row / 2, group - group_begin);
    AskForRows(to, out.stride, count / 2);
    walk.Bare(group, tile, count, products.at, kGroupRows);
    for (int r = 0; r < count; r += 2, to += out.stride) {
      AddGroup(products.row(r), products.row(r + 1), to);
      if (walk.bias(group) != nullptr) AddGroup(to, walk.bias(group), to);
    }
  });
}

void MatmulActivate(Activation act, const Factors& factors, int group_begin, int group_end,
                    int rows, RowsView out) {
  Walk walk(factors, rows);
  const auto begin = [&](int group) { walk.Begin(group); };
  Products products;
  ForTiles(group_begin, group_end, rows, begin, [&](int group, int tile, int row, int count) {
    float* to = At(out, row, group - group_begin);
    AskForRows(to, out.stride, count);
    walk.Tile(group, tile, count, products.at, kGroupRows);
    for (int r = 0; r < count; ++r, to += out.stride) {
      ActivateRow(act, products.row(r), kGroupRows, to);
    }
  });
}

void MatmulAdd(const Factors& factors, int group_begin, int group_end, int rows,
               ConstRowsView other, RowsView out) {
  Walk walk(factors, rows);
  const auto begin = [&](int group) { walk.Begin(group); };
  Products products;
  ForTiles(group_begin, group_end, rows, begin, [&](int group, int tile, int row, int count) {
    const float* from = At(other, row, group - group_begin);
    AskForRows(from, other.stride, count);
    walk.Tile(group, tile, count, products.at, kGroupRows);
    float* to = At(out, row, group - group_begin);
    for (int r = 0; r < count; ++r, from += other.stride, to += out.stride) {
      AddGroup(from, products.row(r), to);
    }
  });
}

void MatmulGate(Activation act, const Factors& gate, const Factors& up, int group_begin,
                int group_end, int rows, RowsView out) {
  Walk gate_walk(gate, rows);
  Walk up_walk(up, rows);
  const auto begin = [&](int group) {
    gate_walk.Begin(group);
    up_walk.Begin(group);
  };
  Products gates, ups;
  ForTiles(group_begin, group_end, rows, begin, [&](int group, int tile, int row, int count) {
    float* to = At(out, row, group - group_begin);
    AskForRows(to, out.stride, count);
    gate_walk.Tile(group, tile, count, gates.at, kGroupRows);
    up_walk.Tile(group, tile, count, ups.at, kGroupRows);
    GateRow(act, gates.at, ups.at, count * kGroupRows, gates.at);
    for (int r = 0; r < count; ++r, to += out.stride) {
      for (int i = 0; i < kGroupRows; i += kLanes) Store(to + i, Load(gates.row(r) + i));
    }
  });
}

}  // namespace cairn::kernels::CAIRN_ISA
