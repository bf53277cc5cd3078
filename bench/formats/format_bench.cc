// SPDX-License-Identifier: Apache-2.0
// The matmul of every format on one thread, for bench/formats/formats.py: activations are packed
// and multiplied, as the peer's operation does both. One line of JSON per format.
//
// Usage: format_bench --folder F [--isa NAME] [--formats A,B] [--repeats N] [--write]
//   --write   only writes F/NAME.blocks, kRows rows of random weights that both sides multiply
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "bench_helpers.h"
#include "kernels/kernels.h"
#include "testing/random_blocks.h"

namespace cairn::kernels {
namespace {

using bench::Aligned;
using bench::ThreadSeconds;

constexpr int kCols = 2048;
constexpr int kRows = 2048;                                  // of the file, and of a prefill
constexpr int kColumns = 128;                                // activation rows of a prefill
constexpr std::size_t kDecodeBytes = std::size_t{96} << 20;  // stored ones; more than any cache

struct Options {
  std::string folder, isa;
  std::vector<std::string> formats;
  int repeats = 5;
  bool write = false;
};

// Weights for `rows` outputs: the file's, again and again.
struct Weights {
  Weights(tensor::Format format, const std::vector<char>& stored, int rows) {
    const int file_groups = kRows / kGroupRows;
    matrix = {.format = format,
              .rows = rows,
              .cols = kCols,
              .groups = rows / kGroupRows,
              .group_bytes = PackedGroupBytes(format, kCols)};
    packed = Aligned(static_cast<std::size_t>(matrix.groups) * matrix.group_bytes);
    const std::size_t bytes = static_cast<std::size_t>(file_groups) * matrix.group_bytes;
    CAIRN_CHECK(PackGroups(format, kCols, std::as_bytes(std::span(stored)), file_groups,
                           packed.bytes().first(bytes))
                    .has_value());
    for (std::size_t at = bytes; at < packed.size(); at += bytes) {
      std::memcpy(packed.data() + at, packed.data(), std::min(bytes, packed.size() - at));
    }
    matrix.data = packed.data();
  }
  PackedMatrix matrix;
  AlignedBuffer packed;
};

// Best seconds of a product with `columns` rows of activations; the first outputs go to `sample`.
double Seconds(const Kernels& kernels, const PackedMatrix& matrix, int columns, int repeats,
               float* sample) {
  const ActivationKind kind = ActivationOf(matrix.format);
  std::vector<float> x(static_cast<std::size_t>(columns) * kCols);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  const AlignedBuffer tiles = Aligned(PackedRowsBytes(kind, columns, kCols));
  const std::ptrdiff_t stride = matrix.groups * kGroupRows;
  const AlignedBuffer out = Aligned(static_cast<std::size_t>(columns * stride) * sizeof(float));
  auto* to = reinterpret_cast<float*>(out.data());
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const double begin = ThreadSeconds();
    for (int row = 0, t = 0; row < columns; row += kTileRows, ++t) {
      kernels.pack_rows(kind, {x.data() + static_cast<std::ptrdiff_t>(row) * kCols, kCols},
                        std::min(kTileRows, columns - row), kCols,
                        tiles.data() + t * PackedTileBytes(kind, kCols));
    }
    kernels.matmul({&matrix, tiles.data()}, 0, matrix.groups, columns, {to, stride});
    best = std::min(best, ThreadSeconds() - begin);
  }
  std::copy_n(to, 4, sample);
  return best;
}

bool Wanted(const Options& options, const tensor::FormatTraits& traits) {
  return traits.has_matmul &&
         (options.formats.empty() ||
          std::ranges::find(options.formats, traits.name) != options.formats.end());
}

int Write(const Options& options) {
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!Wanted(options, traits)) continue;
    const auto blocks =
        testing::RandomBlocks(traits.format, static_cast<std::size_t>(kRows) * kCols, 1, 0.02);
    std::ofstream file(fmt::format("{}/{}.blocks", options.folder, traits.name), std::ios::binary);
    file.write(reinterpret_cast<const char*>(blocks.data()),
               static_cast<std::streamsize>(blocks.size()));
    if (!file.flush()) return 1;
  }
  return 0;
}

int Run(const Options& options) {
  if (options.write) return Write(options);
  Isa isa = AvailableIsas().back();
  for (const Isa other : AvailableIsas()) {
    if (options.isa.empty() || options.isa == IsaName(other)) isa = other;
  }
  const Kernels& kernels = KernelsFor(isa);
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!Wanted(options, traits)) continue;
    std::ifstream file(fmt::format("{}/{}.blocks", options.folder, traits.name), std::ios::binary);
    const std::vector<char> stored((std::istreambuf_iterator<char>(file)), {});
    const std::size_t row = tensor::RowBytes(traits.format, kCols);
    CAIRN_CHECK(stored.size() == kRows * row);
    const int rows = static_cast<int>(kDecodeBytes / row / kRows + 1) * kRows;
    const Weights weights(traits.format, stored, rows);
    PackedMatrix few = weights.matrix;
    few.rows = kRows;
    few.groups = kRows / kGroupRows;
    float sample[4];
    const double decode = Seconds(kernels, weights.matrix, 1, options.repeats, sample);
    const double prefill = Seconds(kernels, few, kColumns, options.repeats, sample);
    fmt::print(
        R"({{"format": "{}", "type": {}, "isa": "{}", "prefill": {:.9f}, "decode": {:.9f}, "rows": {}, )"
        R"("stored": {}, "packed": {}, "sample": [{}, {}, {}, {}]}})"
        "\n",
        traits.name, traits.gguf_type, IsaName(isa), prefill, decode, rows, row,
        static_cast<double>(weights.matrix.group_bytes) / kGroupRows, sample[0], sample[1],
        sample[2], sample[3]);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace cairn::kernels

int main(int argc, char** argv) {
  CLI::App app("Matmuls of every format", "format_bench");
  cairn::kernels::Options options;
  app.add_option("--folder", options.folder, "Of the weights")->required();
  app.add_option("--isa", options.isa, "Instruction set; the best one if absent");
  app.add_option("--formats", options.formats, "Only these")->delimiter(',');
  app.add_option("--repeats", options.repeats, "")->check(CLI::Range(1, 1000));
  app.add_flag("--write", options.write, "Write the weights and stop");
  CLI11_PARSE(app, argc, argv);
  return cairn::kernels::Run(options);
}
