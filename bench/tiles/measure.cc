// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include <algorithm>
#include <cstdint>

#include "bench_helpers.h"

namespace cairn::bench {
namespace {

using kernels::kTileRows;

constexpr int kCols = 1536, kGroup = 16;
constexpr std::size_t kDecodeBytes = std::size_t{50} << 20;

// A matrix and packed rows that a tile walks over as Matmul does (matmul.cc).
class Scene {
 public:
  Scene(const kernels::Kernels& kernels, tensor::Format format, int groups, int rows)
      : rows_(rows), tile_bytes_(PackedTileBytes(kernels::ActivationOf(format), kCols)) {
    matrix_ = {.format = format,
               .rows = groups * kGroup,
               .cols = kCols,
               .groups = groups,
               .group_bytes = kernels::PackedGroupBytes(format, kCols)};
    weights_ = Aligned(static_cast<std::size_t>(groups) * matrix_.group_bytes);
    // Any bytes are weights; small halves keep the sums finite.
    std::fill(weights_.bytes().begin(), weights_.bytes().end(), std::byte{0x11});
    matrix_.data = weights_.data();
    const kernels::ActivationKind kind = kernels::ActivationOf(format);
    tiles_ = Aligned(kernels::PackedRowsBytes(kind, rows, kCols));
    std::vector<float> x(static_cast<std::size_t>(kCols) * kTileRows);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) - 50.0f;
    for (int row = 0; row < rows; row += kTileRows) {
      kernels.pack_rows(kind, {x.data(), kCols}, std::min(kTileRows, rows - row), kCols,
                        tiles_.data() + row / kTileRows * tile_bytes_);
    }
    out_ = Aligned(static_cast<std::size_t>(rows) * groups * kGroup * sizeof(float));
  }

  double Seconds(TileFunction* tile) const {
    const std::ptrdiff_t stride = std::ptrdiff_t{matrix_.groups} * kGroup;
    auto* out = reinterpret_cast<float*>(out_.data());
    const double begin = ThreadSeconds();
    for (int group = 0; group < matrix_.groups; ++group) {
      for (int row = 0; row < rows_; row += kTileRows) {
        const int call = row / kTileRows;
        tile(matrix_, group,
             {.packed = tiles_.data() + call * tile_bytes_,
              .rows = std::min(kTileRows, rows_ - row),
              .out = out + row * stride + group * kGroup,
              .stride = stride,
              .call = call,
              .calls = (rows_ + kTileRows - 1) / kTileRows});
      }
    }
    return ThreadSeconds() - begin;
  }

 private:
  int rows_;
  std::size_t tile_bytes_;
  kernels::PackedMatrix matrix_;
  AlignedBuffer weights_, tiles_, out_;
};

Rounds Run(const Scene& scene, const std::vector<TileFunction*>& tiles, int rounds) {
  Rounds seconds(tiles.size());
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const std::size_t t = (i + static_cast<std::size_t>(round + 1)) % tiles.size();
      const double took = scene.Seconds(tiles[t]);
      if (round >= 0) seconds[t].push_back(took);
    }
  }
  return seconds;
}

}  // namespace

Times Measure(const kernels::Kernels& kernels, tensor::Format format,
              const std::vector<TileFunction*>& tiles, int rounds) {
  const std::size_t group_bytes = kernels::PackedGroupBytes(format, kCols);
  Times times;
  times.prefill = Run(Scene(kernels, format, 36, 192), tiles, rounds);
  times.decode =
      Run(Scene(kernels, format, static_cast<int>(kDecodeBytes / group_bytes), 1), tiles, rounds);
  return times;
}

}  // namespace cairn::bench
