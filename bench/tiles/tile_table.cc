// SPDX-License-Identifier: Apache-2.0
// Measures the candidates for the tile of each format on this machine, prints how they stand, and
// with --write regenerates src/kernels/isa/tile_table.h. A row keeps its value unless another is
// faster by kLeastGain, and faster in most rounds; instruction sets that this machine lacks keep
// their rows.
//
// Usage: tile_table [--rounds N] [--isa NAME] [--write FILE]
#include "kernels/isa/tile_table.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure.h"
#include "tensor/format.h"

// The formats as the table has them, in its order.
// clang-format off
#define CAIRN_TABLE_FORMATS(X)                                                                  \
  X(F32) X(F16) X(BF16) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q8_0) X(Q4_K) X(Q5_K) X(Q6_K) X(Q2_K) \
  X(Q3_K) X(IQ4_NL) X(IQ4_XS) X(MXFP4) X(NVFP4) X(TQ2_0) X(IQ1_S) X(IQ1_M) X(IQ2_XXS) X(IQ2_S)  \
  X(IQ3_XXS) X(IQ3_S)
// clang-format on

// What the object library of a candidate defines.
#define DECLARE(format) cairn::bench::TileFunction Tile##format;
#define CANDIDATE(isa, name, columns, prefetch) \
  namespace cairn::kernels::name {              \
  CAIRN_TABLE_FORMATS(DECLARE)                  \
  }
#include "tile_candidates.inc"
#undef CANDIDATE

namespace cairn::bench {
namespace {

using kernels::TileShape;

// What a change must bring: less is not worth a row that differs from its neighbours.
constexpr double kLeastGain = 0.03;
constexpr double kLeastRoundsWon = 0.8;  // of all rounds

#define NAME(format) #format,
constexpr std::string_view kNames[] = {CAIRN_TABLE_FORMATS(NAME)};
#define FORMAT(format) tensor::Format::k##format,
constexpr tensor::Format kFormats[] = {CAIRN_TABLE_FORMATS(FORMAT)};
constexpr std::size_t kCount = std::size(kFormats);
using Rows = std::array<TileShape, kCount>;

struct Part {  // of the table
  std::string_view isa, type;
  Rows rows;
};
template <typename Tiles>
Rows RowsOf() {
#define ROW(format) Tiles::k##format,
  return {CAIRN_TABLE_FORMATS(ROW)};
}

struct Candidate {
  std::string_view isa;
  TileShape shape;
  std::array<TileFunction*, kCount> tiles;
};
std::vector<Candidate> Candidates(std::string_view of_isa) {
  std::vector<Candidate> all;
#define ADDRESS(format) &Tile##format,
#define CANDIDATE(isa, name, columns, prefetch)                                 \
  if (of_isa == #isa) {                                                         \
    using namespace kernels::name; /* NOLINT(google-build-using-namespace) */   \
    all.push_back({#isa, {columns, prefetch}, {CAIRN_TABLE_FORMATS(ADDRESS)}}); \
  }
#include "tile_candidates.inc"
  return all;
}

bool IsFloat(std::size_t format) {
  return kernels::ActivationOf(kFormats[format]) == kernels::ActivationKind::kFloat;
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Whether `a` beats `b` by enough, round by round.
bool Beats(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < a.size(); ++round) ratios.push_back(a[round] / b[round]);
  const auto won = std::ranges::count_if(ratios, [](double ratio) { return ratio < 1; });
  return Median(ratios) < 1 - kLeastGain &&
         static_cast<double>(won) >= kLeastRoundsWon * static_cast<double>(ratios.size());
}

// The value to keep: today's, or the fastest where it gains enough. A value of today that is no
// candidate is judged by nothing and stays.
int Choose(int now, const std::vector<int>& values, const Rounds& seconds) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (Median(seconds[i]) < Median(seconds[best])) best = i;
  }
  const auto today = std::ranges::find(values, now);
  if (today == values.end()) return now;
  return Beats(seconds[best], seconds[static_cast<std::size_t>(today - values.begin())])
             ? values[best]
             : now;
}

std::string Cells(const std::vector<int>& values, const Rounds& seconds) {
  double best = Median(seconds[0]);
  for (const auto& rounds : seconds) best = std::min(best, Median(rounds));
  std::string cells;
  for (std::size_t i = 0; i < values.size(); ++i) {
    cells += fmt::format("  {}: {:.2f}", values[i], Median(seconds[i]) / best);
  }
  return cells;
}

void MeasurePart(const kernels::Kernels& kernels, Part& part, int rounds) {
  const std::vector<Candidate> candidates = Candidates(part.isa);
  std::vector<int> columns, prefetch;
  for (const Candidate& candidate : candidates) {
    columns.push_back(candidate.shape.columns);
    prefetch.push_back(candidate.shape.prefetch_bytes);
  }
  for (std::size_t f = 0; f < kCount; ++f) {
    std::vector<TileFunction*> tiles;
    for (const Candidate& candidate : candidates) tiles.push_back(candidate.tiles[f]);
    const Times times = Measure(kernels, kFormats[f], tiles, rounds);
    TileShape& row = part.rows[f];
    const TileShape before = row;
    row.columns = Choose(row.columns, columns, times.prefill);
    if (!IsFloat(f)) row.prefetch_bytes = Choose(row.prefetch_bytes, prefetch, times.decode);
    fmt::print("{} {:5}columns{}", part.isa, kNames[f], Cells(columns, times.prefill));
    if (!IsFloat(f)) fmt::print("   prefetch{}", Cells(prefetch, times.decode));
    const bool same = row.columns == before.columns && row.prefetch_bytes == before.prefetch_bytes;
    fmt::print("   {} {} {}\n", same ? "stays" : "becomes", row.columns, row.prefetch_bytes);
    std::fflush(stdout);
  }
}

// The header up to its first row is kept as it is: prose is not this program's business.
std::optional<std::string> HeaderOf(const std::string& path) {
  std::ifstream file(path);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t end = text.find("struct Avx512Tiles");
  if (end == std::string::npos) return std::nullopt;
  return text.substr(0, end);
}

bool Write(const std::string& path, const std::vector<Part>& parts) {
  std::optional<std::string> text = HeaderOf(path);
  if (!text) return false;
  for (const Part& part : parts) {
    *text += fmt::format("struct {} {{\n", part.type);
    for (std::size_t f = 0; f < kCount; ++f) {
      *text += fmt::format("  static constexpr TileShape k{}{{{}, {}}};\n", kNames[f],
                           part.rows[f].columns, part.rows[f].prefetch_bytes);
    }
    *text += "};\n\n";
  }
  *text += "}  // namespace cairn::kernels\n";
  std::ofstream file(path, std::ios::trunc);
  return static_cast<bool>(file << *text << std::flush);
}

int Run(int rounds, const std::string& only, const std::string& path) {
  std::vector<Part> parts = {{"avx512", "Avx512Tiles", RowsOf<kernels::Avx512Tiles>()},
                             {"avx2", "Avx2Tiles", RowsOf<kernels::Avx2Tiles>()},
                             {"avx_vnni", "AvxVnniTiles", RowsOf<kernels::AvxVnniTiles>()},
                             {"neon", "NeonTiles", RowsOf<kernels::NeonTiles>()},
                             {"portable", "PortableTiles", RowsOf<kernels::PortableTiles>()}};
  fmt::print("median time of each candidate by the best one's, and what the table says then\n");
  for (const kernels::Isa isa : kernels::AvailableIsas()) {
    for (Part& part : parts) {
      if (part.isa != kernels::IsaName(isa) || (!only.empty() && only != part.isa)) continue;
      MeasurePart(kernels::KernelsFor(isa), part, rounds);
    }
  }
  if (path.empty() || Write(path, parts)) return 0;
  fmt::print(stderr, "tile_table: {} is not the table, or cannot be written\n", path);
  return 1;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  CLI::App app("Tile shapes, measured", "tile_table");
  int rounds = 15;
  std::string only, path;
  app.add_option("--rounds", rounds, "")->check(CLI::Range(1, 10'000));
  app.add_option("--isa", only, "Only this instruction set");
  app.add_option("--write", path, "The table to regenerate");
  CLI11_PARSE(app, argc, argv);
  return cairn::bench::Run(rounds, only, path);
}
