// SPDX-License-Identifier: Apache-2.0
// The table of kernels of one instruction set, and the layouts they share.
//
// Every function computes the formulas of docs/canonical.md and so gives the same bytes for every
// instruction set. Kernels know nothing of models, files, sequences or threads: they are called by
// one worker for the part that the worker claimed; two calls may run at the same time when their
// outputs do not overlap. None allocates.
//
// Pointers to weights, packed activations and KV tiles are aligned to 64 bytes; rows of f32 are
// aligned to 64 bytes when their stride is a multiple of 16 floats, else to 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/isa.h"
#include "kernels/packed.h"

namespace cairn::kernels {

// Of docs/canonical.md. It grows with every change after which some answer may have other bytes.
inline constexpr int kArithmeticVersion = 1;

// Rows of f32: row r begins at data + r * stride (in floats).
struct RowsView {
  float* data = nullptr;
  std::ptrdiff_t stride = 0;
  float* row(std::ptrdiff_t r) const { return data + r * stride; }
};
struct ConstRowsView {
  const float* data = nullptr;
  std::ptrdiff_t stride = 0;
  ConstRowsView(const float* d, std::ptrdiff_t s) : data(d), stride(s) {}
  ConstRowsView(RowsView v) : data(v.data), stride(v.stride) {}  // NOLINT: a view widens freely
  ConstRowsView() = default;
  const float* row(std::ptrdiff_t r) const { return data + r * stride; }
};

// KV of one sequence in one layer (canonical.md, section 6).
//
// A tile holds kTilePositions positions. Inside the tile, at `offset` bytes for this layer, KV
// heads follow each other at KvHeadBytes. A head holds
//   kF32, kF16: keys transposed [head_dim][64], then values [64][head_dim];
//   kQ8: keys u8 (integer + 128) [head_dim / 4][64][4], values s8 [64 / 4][head_dim][4], then f32
//        scales of the 64 keys and of the 64 values.
enum class KvFormat { kF32, kF16, kQ8 };
std::string_view KvFormatName(KvFormat format);                 // "f32", "f16", "q8"
std::optional<KvFormat> KvFormatOfName(std::string_view name);  // nothing for another word
#ifndef CAIRN_TILE_POSITIONS  // bench/kv builds the kernels with others, alone in a program
#define CAIRN_TILE_POSITIONS 64
#endif
inline constexpr int kTilePositions = CAIRN_TILE_POSITIONS;
inline constexpr int kPartPositions = 256;
struct KvView {
  std::byte* const* tiles = nullptr;  // tiles[p / 64] holds position p
  std::size_t offset = 0;             // of this layer inside a tile, bytes, a multiple of 64
  int head_dim = 0;                   // of keys and values, a multiple of 16, at most 576
  int heads = 0;                      // KV heads
  KvFormat format = KvFormat::kF16;
};
constexpr std::size_t KvHeadBytes(KvFormat format, int head_dim) {
  const std::size_t values = 2 * static_cast<std::size_t>(head_dim) * kTilePositions;
  if (format == KvFormat::kQ8) return values + 2 * kTilePositions * sizeof(float);
  return values * (format == KvFormat::kF32 ? 4 : 2);
}
// Bytes of one layer in a tile.
constexpr std::size_t KvLayerBytes(KvFormat format, int head_dim, int heads) {
  return static_cast<std::size_t>(heads) * KvHeadBytes(format, head_dim);
}
// Zeroes what positions [first, kTilePositions) of a layer have in a tile; `layer` is where the
// layer begins.
void ClearPositions(KvFormat format, int head_dim, int heads, int first, std::byte* layer);

inline constexpr int kMostHeadDim = 576;
// Query heads of a KV head that are attended to at once; a larger group takes several rounds.
inline constexpr int kMostGroup = 32;

// Most rows of one call of `attend`: their running states stay in the second-level cache.
inline constexpr int kAttendRows = 32;

// Attention of consecutive rows of one sequence.
struct AttendView {
  KvView kv;
  ConstRowsView q;         // row r: query heads side by side, [kv.heads * group][head_dim]
  RowsView out;            // the same shape
  std::int64_t first = 0;  // absolute position of row 0; row r sees positions <= first + r
  std::int64_t end = 0;    // above 0: row r sees all positions before it, later ones too
  int group = 1;           // query heads per KV head; query head h belongs to KV head h / group
  int window = 0;          // row at p sees positions > p - window, < p + window; 0: all
  bool chunked = false;    // or, with a window, none before its last multiple
  float scale = 1;         // multiplied into the queries
  float softcap = 0;       // 0: none
  // By query head, or null: what is taken from a score per position between key and query (ALiBi),
  // and the score of a sink.
  const float* slopes = nullptr;
  const float* sinks = nullptr;
  // What is added to a score by the position of the key less that of the query: of query head h at
  // relative + h * relative_stride, where [0] is the query's own position, or null. Readable for
  // every pair of positions of the sequence and kTilePositions further on both sides.
  const float* relative = nullptr;
  std::ptrdiff_t relative_stride = 0;
};

// The state of one query row and head after one part: m, l, then o[head_dim] (f32).
// Stride in floats: PartStride(head_dim), a multiple of 16 with m at 0, l at 1, o at 16.
constexpr int PartStride(int head_dim) { return 16 + head_dim; }

// Rows of one sequence through which a state walks, for one block of its channels: a head, whose
// channels have a time step and a rate in common, or channels that have their own (canonical.md,
// section 6b). Row r of each view is that of the block.
struct ScanView {
  ConstRowsView x;              // `channels` values
  ConstRowsView dt;             // the time step: one value, or one for each channel
  ConstRowsView b, c;           // `size` values
  ConstRowsView share;          // of the delta rule: one value; no data: the other rule
  RowsView out;                 // `channels` values
  const float* rate = nullptr;  // one value, or [size][rate_stride] where channels have their own
  std::ptrdiff_t rate_stride = 0;
  const float* skip = nullptr;  // one value, or one for each channel; unused by the delta rule
  int channels = 0;             // a multiple of 16
  int size = 0;                 // values of the state of each channel
  bool apart = false;           // channels have their own; never with the delta rule
};

// A weight matrix and the packed rows that it meets: `tiles` is the first tile, the others follow
// at PackedTileBytes(ActivationOf(weights->format), weights->cols); the last may have fewer rows.
// `bias` is added to the products: 16 floats per group of the matrix, or null.
struct Factors {
  const PackedMatrix* weights = nullptr;
  const std::byte* tiles = nullptr;
  const float* bias = nullptr;
};

// kGelu is the tanh form, kGeluErf the exact one. kSiluClamped is for gates alone: it bounds both
// sides (canonical.md, section 8). kIdentity is x itself, for gates that are products.
enum class Activation {
  kSilu,
  kGelu,
  kGeluErf,
  kRelu,
  kReluSquared,
  kSiluClamped,
  kSoftplus,
  kSigmoid,
  kIdentity
};
enum class RotaryPairs { kNeighbours, kHalves };

struct Kernels {
  Isa isa;

  // --- activations -------------------------------------------------------------------------
  // Packs rows [0, rows) of x (rows <= kTileRows, cols values each) into one tile of packed
  // activations (kernels/packed.h). Returns a mask with bit r set where row r is not finite; the
  // tile then holds zeros for that row.
  std::uint32_t (*pack_rows)(ActivationKind kind, ConstRowsView x, int rows, int cols,
                             std::byte* tile);

  // y = x less what section 1 makes of it: x - d * q by blocks of 32 (zero where a block is not
  // finite). n is a multiple of 32.
  void (*remainder)(const float* x, int n, float* y);

  // --- matmul ------------------------------------------------------------------------------
  // product(r, n) is packed row r times weight row n, plus the bias of n where there is one. The
  // functions below work on the weight rows of groups [group_begin, group_end); output n goes to
  // column n - 16 * group_begin of `out`. They write 16 floats per group and row, also for padded
  // weight rows.
  //
  // out[r] = product(r), for rows [0, rows).
  void (*matmul)(const Factors& factors, int group_begin, int group_end, int rows, RowsView out);
  // out[r] = product(2r) + product(2r + 1), then the bias: rows that were packed with their
  // remainders behind them, for outputs [0, rows).
  void (*matmul_pairs)(const Factors& factors, int group_begin, int group_end, int rows,
                       RowsView out);
  // out[r] = act(product(r)).
  void (*matmul_activate)(Activation act, const Factors& factors, int group_begin, int group_end,
                          int rows, RowsView out);
  // out[r] = other[r] + product(r). `other` has the columns of `out` and may be the same memory.
  void (*matmul_add)(const Factors& factors, int group_begin, int group_end, int rows,
                     ConstRowsView other, RowsView out);
  // out[r] = act(product of gate) * (product of up). Both have the same outputs; their formats may
  // differ.
  void (*matmul_gate)(Activation act, const Factors& gate, const Factors& up, int group_begin,
                      int group_end, int rows, RowsView out);

  // --- rows --------------------------------------------------------------------------------
  // y = rms_norm(x) * w over n values; w may be null. x may equal y.
  void (*rms_norm)(const float* x, const float* w, int n, float eps, float* y);
  // y = layer_norm(x) * w + b over n values; w and b may be null. x may equal y.
  void (*layer_norm)(const float* x, const float* w, const float* b, int n, float eps, float* y);
  // The mean of the squares of n values.
  float (*mean_square)(const float* x, int n);
  // y = what of x is more than so many standard deviations above the mean of all n, else 0. x may
  // equal y.
  void (*sparsify)(const float* x, int n, float deviations, float* y);
  // y = a + b. y may equal a or b.
  void (*add)(const float* a, const float* b, int n, float* y);
  // y = fma(x, s, y).
  void (*add_scaled)(const float* x, float s, int n, float* y);
  // y = x, held inside [-limit, limit]. y may equal x.
  void (*clamp)(const float* x, float limit, int n, float* y);
  // y = x * s.
  void (*scale)(const float* x, float s, int n, float* y);
  // y = act(g) * u. y may equal g or u.
  void (*gate)(Activation act, const float* g, const float* u, int n, float* y);
  // y = act(x). y may equal x.
  void (*activate)(Activation act, const float* x, int n, float* y);
  // y = cap * tanh(x / cap). y may equal x.
  void (*softcap)(const float* x, float cap, int n, float* y);
  // Rotates the first n_rot values of one head in place; cos and sin hold n_rot / 2 values.
  void (*rotate)(RotaryPairs pairs, const float* cos, const float* sin, int n_rot, float* x);

  // --- attention ---------------------------------------------------------------------------
  // Stores keys and values (row r: heads side by side) of rows [0, rows) at positions
  // first.. of one KV head.
  void (*store_kv)(const KvView& kv, int head, ConstRowsView k, ConstRowsView v, std::int64_t first,
                   int rows);
  // Rows [row_begin, row_end) of one KV head's group of query heads, all parts in order; at most
  // kAttendRows of them.
  // `scratch` holds AttendScratchFloats(head_dim, group) floats.
  void (*attend)(const AttendView& view, int head, int row_begin, int row_end, float* scratch);
  // One part of one row for one KV head: writes the state of its `group` query heads,
  // PartStride(head_dim) apart. The part must have a visible position.
  void (*attend_part)(const AttendView& view, int head, int row, int part, float* states,
                      float* scratch);
  // Merges the states of `parts` consecutive visible parts of one query head, ascending,
  // `stride` floats apart, and writes the output row of that head. `sink`: the score of the head's
  // sink, or null.
  void (*merge_parts)(const float* states, int parts, std::ptrdiff_t stride, int head_dim,
                      const float* sink, float* out);

  // --- states ------------------------------------------------------------------------------
  // y = the sum over taps j, ascending, of w[j] * x[j], then + bias where there is one: n channels.
  // x has a row for each tap, the oldest first; those of w are `stride` floats apart.
  void (*convolve)(const float* const* x, const float* w, std::ptrdiff_t stride, const float* bias,
                   int taps, int n, float* y);
  // Walks rows [0, rows) of a block. The state, [size][channels], begins as `from` (null: zeros;
  // may be `state` itself) and ends in `state`.
  void (*scan)(const ScanView& view, int rows, const float* from, float* state);

  // --- sampling primitives -----------------------------------------------------------------
  // y[i] = exp(x[i] - shift), section 7.
  void (*exp_shifted)(const float* x, float shift, int n, float* y);
  // Index of the largest value, the lowest on ties. n > 0. NaN never wins.
  int (*argmax)(const float* x, int n);

  // --- probes ------------------------------------------------------------------------------
  // Runs `iterations` of independent int8 dot products (u8 x s8 into int32) and returns how many
  // multiply and add operations that was. For `cairn bench` and `doctor`.
  double (*int8_peak)(std::int64_t iterations);
  // Reads `bytes` (multiple of 64) once and returns a value that depends on all of them.
  std::uint64_t (*read_memory)(const std::byte* data, std::size_t bytes);
};

// Floats of scratch that attend and attend_part need.
int AttendScratchFloats(int head_dim, int group);

// The visible parts of a row: [first, last] indices of kPartPositions; `end` as in AttendView. Pure
// arithmetic.
struct PartRange {
  int first;
  int last;
};
PartRange VisibleParts(std::int64_t position, int window, std::int64_t end, bool chunked = false);
// The first position that a row sees.
constexpr std::int64_t FirstVisible(std::int64_t position, int window, bool chunked) {
  if (window == 0) return 0;
  if (chunked) return position - position % window;
  return position >= window ? position - window + 1 : 0;
}

// The table of an instruction set that AvailableIsas() lists; lives as long as the program.
const Kernels& KernelsFor(Isa isa);

// Every entry point of the engine saves, sets (round to nearest, denormals kept, no traps) and
// restores the floating-point control register through this guard, on each thread it uses.
class FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  unsigned saved_;
};

}  // namespace cairn::kernels
