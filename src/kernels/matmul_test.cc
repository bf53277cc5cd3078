// SPDX-License-Identifier: Apache-2.0
// Every matmul of every instruction set against the scalar reference, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/kernels.h"
#include "kernels/matmul_ref.h"
#include "kernels/rows_ref.h"
#include "tensor/dequantise.h"
#include "testing/random_blocks.h"

namespace cairn::kernels {
namespace {

using tensor::Format;

constexpr int kMostRows = 44;  // enough for weights to be expanded first
constexpr float kGuard = -12345.0f;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

AlignedBuffer Aligned(std::size_t bytes) {
  auto buffer = AlignedBuffer::Allocate(bytes);
  EXPECT_TRUE(buffer.has_value());
  std::fill_n(buffer->data(), bytes, std::byte{0xff});  // not a number wherever it is read
  return std::move(*buffer);
}

struct Shape {
  int outputs, cols;
};
std::vector<Shape> ShapesOf(Format format) {
  switch (tensor::Traits(format).block_values) {
    case 1: return {{1, 1}, {17, 80}, {70, 129}};
    case 64: return {{16, 64}, {17, 192}, {70, 640}};
    case 32: return {{16, 32}, {17, 64}, {90, 576}, {37, 640}};
    default: return {{16, 256}, {17, 512}, {70, 768}};
  }
}

// Rows whose blocks are ordinary, zero, below the smallest scale, huge and denormal.
std::vector<float> Activations(int rows, int cols, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(rows) * cols);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = normal(random);
    switch (i / 32 % 11) {
      case 3: x[i] *= 0x1p-66f; break;
      case 5: x[i] = i % 2 == 0 ? 0.0f : -0.0f; break;
      case 7: x[i] *= 0x1p+60f; break;
      case 9: x[i] = i % 32 == 4 ? 1.0f : x[i] * 0x1p-140f; break;
      default: break;
    }
  }
  return x;
}

struct Weights {
  Weights(Format format, Shape shape, std::uint64_t seed)
      : stored(testing::RandomBlocks(format, std::size_t(shape.outputs) * shape.cols, seed)) {
    matrix = {.format = format,
              .rows = shape.outputs,
              .cols = shape.cols,
              .groups = (shape.outputs + 15) / 16,
              .group_bytes = PackedGroupBytes(format, shape.cols)};
    packed = Aligned(matrix.groups * matrix.group_bytes);
    EXPECT_TRUE(PackGroups(format, shape.cols, stored, matrix.groups, packed.bytes()).has_value());
    matrix.data = packed.data();
  }
  std::span<const std::byte> Row(int n) const {
    const std::size_t bytes = tensor::RowBytes(matrix.format, matrix.cols);
    return std::span(stored).subspan(n * bytes, bytes);
  }
  // Products of one row with every output, by the reference.
  std::vector<float> Products(std::span<const float> x) const {
    std::vector<float> products(matrix.rows);
    const bool floats = ActivationOf(matrix.format) == ActivationKind::kFloat;
    const ref::QuantisedRow quantised = floats ? ref::QuantisedRow{} : ref::Quantise(x);
    std::vector<float> widened(matrix.cols);
    for (int n = 0; n < matrix.rows; ++n) {
      if (floats) {
        EXPECT_TRUE(tensor::Dequantise(matrix.format, Row(n), widened).has_value());
        products[n] = ref::FloatProduct(widened, x);
      } else {
        products[n] = ref::QuantisedProduct(matrix.format, Row(n), quantised);
      }
    }
    return products;
  }

  std::vector<std::byte> stored;
  AlignedBuffer packed;
  PackedMatrix matrix;
};

class MatmulTest : public ::testing::TestWithParam<std::pair<Isa, Format>> {
 protected:
  const Kernels& kernels = KernelsFor(GetParam().first);
  const Format format = GetParam().second;
  const ActivationKind kind = ActivationOf(format);

  // Packs all rows; the masks of rows that failed come back by row.
  AlignedBuffer Pack(const std::vector<float>& x, int rows, int cols, std::vector<bool>* failed) {
    AlignedBuffer tiles = Aligned(PackedRowsBytes(kind, rows, cols));
    failed->assign(rows, false);
    for (int row = 0, t = 0; row < rows; row += kTileRows, ++t) {
      const int left = std::min(kTileRows, rows - row);
      const std::uint32_t mask =
          kernels.pack_rows(kind, {x.data() + std::size_t(row) * cols, cols}, left, cols,
                            tiles.data() + t * PackedTileBytes(kind, cols));
      EXPECT_EQ(mask >> left, 0u) << "a row that does not exist failed";
      for (int r = 0; r < left; ++r) (*failed)[row + r] = (mask >> r & 1) != 0;
    }
    return tiles;
  }

  // Groups [begin, end) of the product, into rows with a margin that must stay as it was.
  std::vector<float> Multiply(const PackedMatrix& matrix, const AlignedBuffer& tiles, int rows,
                              int begin, int end) {
    const std::ptrdiff_t stride = (end - begin) * 16 + 16;
    AlignedBuffer out = Aligned((rows + 1) * stride * sizeof(float));
    auto* data = reinterpret_cast<float*>(out.data());
    std::fill_n(data, (rows + 1) * stride, kGuard);
    kernels.matmul({&matrix, tiles.data()}, begin, end, rows, {data, stride});
    for (std::ptrdiff_t i = 0; i < (rows + 1) * stride; ++i) {
      if (i >= rows * stride || i % stride >= stride - 16) {
        EXPECT_EQ(data[i], kGuard) << "written past the outputs at " << i;
      }
    }
    return {data, data + rows * stride};
  }

  static void ExpectRow(const std::vector<float>& got, std::ptrdiff_t stride, int row, int begin,
                        int end, const std::vector<float>& want) {
    for (int n = begin * 16; n < end * 16; ++n) {
      const float value = got[row * stride + n - begin * 16];
      // Padded weight rows are zero, so that what is written there is harmless.
      const float expected = n < static_cast<int>(want.size()) ? want[n] : 0.0f;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(expected))
          << "row " << row << " output " << n << ": " << value << " and " << expected;
    }
  }
};

TEST_P(MatmulTest, EveryNumberOfRowsEqualsTheReference) {
  for (const Shape shape : ShapesOf(format)) {
    SCOPED_TRACE(std::to_string(shape.outputs) + " x " + std::to_string(shape.cols));
    const Weights weights(format, shape, 7 + shape.cols);
    const std::vector<float> x = Activations(kMostRows, shape.cols, 11);
    std::vector<std::vector<float>> want;
    for (int r = 0; r < kMostRows; ++r) {
      want.push_back(
          weights.Products(std::span(x).subspan(std::size_t(r) * shape.cols, shape.cols)));
    }
    const int groups = weights.matrix.groups;
    for (int rows = 1; rows <= kMostRows; rows += rows == 25 ? kMostRows - 25 : 1) {
      std::vector<bool> failed;
      const AlignedBuffer tiles = Pack(x, rows, shape.cols, &failed);
      EXPECT_EQ(std::count(failed.begin(), failed.end(), true), 0);
      const std::vector<float> got = Multiply(weights.matrix, tiles, rows, 0, groups);
      for (int r = 0; r < rows; ++r) ExpectRow(got, groups * 16 + 16, r, 0, groups, want[r]);
    }
  }
}

TEST_P(MatmulTest, AnyRangeOfGroupsEqualsTheWhole) {
  const Shape shape{16 * 11 + 5, std::max(64, tensor::Traits(format).block_values)};
  const Weights weights(format, shape, 3);
  const std::vector<float> x = Activations(2, shape.cols, 5);
  for (int rows = 1; rows <= 2; ++rows) {
    std::vector<bool> failed;
    const AlignedBuffer tiles = Pack(x, rows, shape.cols, &failed);
    const std::vector<float> want = weights.Products(std::span(x).first(shape.cols));
    for (int begin = 0; begin < weights.matrix.groups; ++begin) {
      for (int end = begin + 1; end <= weights.matrix.groups; ++end) {
        const std::vector<float> got = Multiply(weights.matrix, tiles, rows, begin, end);
        ExpectRow(got, (end - begin) * 16 + 16, 0, begin, end, want);
      }
    }
  }
}

TEST_P(MatmulTest, RowsThatAreNotFiniteFailAloneAndGiveZeros) {
  const Shape shape{20, std::max(64, tensor::Traits(format).block_values)};
  const Weights weights(format, shape, 9);
  constexpr int kRows = 14;
  std::vector<float> x = Activations(kRows, shape.cols, 13);
  const std::map<int, float> bad{{0, kNan}, {3, kInfinity}, {8, -kInfinity}, {13, -kNan}};
  for (const auto& [row, value] : bad) x[std::size_t(row) * shape.cols + 37 + row] = value;
  std::vector<bool> failed;
  const AlignedBuffer tiles = Pack(x, kRows, shape.cols, &failed);
  const std::vector<float> got = Multiply(weights.matrix, tiles, kRows, 0, 2);
  for (int r = 0; r < kRows; ++r) {
    EXPECT_EQ(failed[r], bad.contains(r)) << "row " << r;
    const std::vector<float> want =
        bad.contains(r)
            ? std::vector<float>(shape.outputs, 0.0f)
            : weights.Products(std::span(x).subspan(std::size_t(r) * shape.cols, shape.cols));
    ExpectRow(got, 48, r, 0, 2, want);
  }
}

// Epilogues against the products of the reference. Values in `other` that are not read as such must
// not matter: it is a part of a wider row.
TEST_P(MatmulTest, EpiloguesApplyToTheProductsOfTheReference) {
  const Shape shape{37, std::max(64, tensor::Traits(format).block_values)};
  const Weights gate(format, shape, 21), up(format, shape, 22);
  constexpr int kRows = kMostRows;
  const std::ptrdiff_t stride = 48 + 16;
  const std::vector<float> x = Activations(kRows, shape.cols, 23);
  std::vector<float> other(kRows * stride);
  for (std::size_t i = 0; i < other.size(); ++i) other[i] = static_cast<float>(i % 97) - 48;
  const auto products = [&](const Weights& weights, int row) {
    return weights.Products(std::span(x).subspan(std::size_t(row) * shape.cols, shape.cols));
  };
  const auto check = [&](const char* what, int rows, const auto& run, const auto& want_at) {
    SCOPED_TRACE(what);
    std::vector<float> out(kRows * stride, kGuard);
    run(RowsView{out.data(), stride});
    for (int r = 0; r < kRows; ++r) {
      if (r >= rows) {
        EXPECT_EQ(out[r * stride], kGuard) << "a row that was not asked for was written";
        continue;
      }
      std::vector<float> want;
      for (int n = 0; n < shape.outputs; ++n) want.push_back(want_at(r, n));
      for (int n = 0; n < shape.outputs; ++n) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(out[r * stride + n]),
                  std::bit_cast<std::uint32_t>(want[n]))
            << "row " << r << " output " << n;
      }
      EXPECT_EQ(out[r * stride + 48], kGuard) << "written past the outputs";
    }
  };
  std::vector<std::vector<float>> g, u;
  for (int r = 0; r < kRows; ++r) g.push_back(products(gate, r)), u.push_back(products(up, r));
  for (const int rows : {1, 2, 7, 12, 13, 26, kRows}) {
    SCOPED_TRACE(rows);
    std::vector<bool> failed;
    const AlignedBuffer tiles = Pack(x, rows, shape.cols, &failed);
    const Factors gates{&gate.matrix, tiles.data()}, ups{&up.matrix, tiles.data()};
    check(
        "add", rows,
        [&](RowsView out) {
          kernels.matmul_add(gates, 0, 3, rows, {other.data(), stride}, out);
        },
        [&](int r, int n) { return other[r * stride + n] + g[r][n]; });
    check(
        "silu", rows,
        [&](RowsView out) { kernels.matmul_gate(Activation::kSilu, gates, ups, 0, 3, rows, out); },
        [&](int r, int n) { return ref::Silu(g[r][n]) * u[r][n]; });
    check(
        "gelu", rows,
        [&](RowsView out) { kernels.matmul_gate(Activation::kGelu, gates, ups, 0, 3, rows, out); },
        [&](int r, int n) { return ref::Gelu(g[r][n]) * u[r][n]; });
    std::vector<float> bias(48);
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i % 7) - 3;
    const Factors biased{&gate.matrix, tiles.data(), bias.data()};
    check(
        "bias", rows, [&](RowsView out) { kernels.matmul(biased, 0, 3, rows, out); },
        [&](int r, int n) { return g[r][n] + bias[n]; });
    check(
        "bias and add", rows,
        [&](RowsView out) {
          kernels.matmul_add(biased, 0, 3, rows, {other.data(), stride}, out);
        },
        [&](int r, int n) { return other[r * stride + n] + (g[r][n] + bias[n]); });
    check(
        "bias and gate", rows,
        [&](RowsView out) {
          kernels.matmul_gate(Activation::kGelu, biased, {&up.matrix, tiles.data(), bias.data()}, 0,
                              3, rows, out);
        },
        [&](int r, int n) { return ref::Gelu(g[r][n] + bias[n]) * (u[r][n] + bias[n]); });
    check(
        "bias and gelu", rows,
        [&](RowsView out) {
          kernels.matmul_activate(Activation::kGeluErf, biased, 0, 3, rows, out);
        },
        [&](int r, int n) { return ref::GeluErf(g[r][n] + bias[n]); });
    if (rows % 2 != 0) continue;
    check(
        "pairs and bias", rows / 2,
        [&](RowsView out) { kernels.matmul_pairs(biased, 0, 3, rows / 2, out); },
        [&](int r, int n) { return (g[2 * r][n] + g[2 * r + 1][n]) + bias[n]; });
    check(
        "pairs", rows / 2, [&](RowsView out) { kernels.matmul_pairs(gates, 0, 3, rows / 2, out); },
        [&](int r, int n) { return g[2 * r][n] + g[2 * r + 1][n]; });
  }
  // In place, and from the second group on.
  std::vector<bool> failed;
  const AlignedBuffer tiles = Pack(x, 12, shape.cols, &failed);
  const Factors gates{&gate.matrix, tiles.data()};
  std::vector<float> in_place = other;
  kernels.matmul_add(gates, 1, 3, 12, {in_place.data(), stride}, {in_place.data(), stride});
  for (int n = 16; n < shape.outputs; ++n) {
    EXPECT_EQ(in_place[stride + n - 16], other[stride + n - 16] + g[1][n]);
  }
}

std::vector<std::pair<Isa, Format>> Everything() {
  std::vector<std::pair<Isa, Format>> all;
  for (const Isa isa : AvailableIsas()) {
    for (const tensor::FormatTraits& traits : tensor::kFormats) {
      if (traits.has_matmul) all.emplace_back(isa, traits.format);
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, MatmulTest, ::testing::ValuesIn(Everything()), [](const auto& info) {
  return std::string(IsaName(info.param.first)) + "_" +
         std::string(tensor::Traits(info.param.second).name);
});

// Whether a byte of a stored block is part of a floating-point scale.
bool HoldsScale(Format format, std::size_t at) {
  switch (format) {
    case Format::kQ4_K:
    case Format::kQ5_K: return at < 16;
    case Format::kQ6_K: return at >= 192;
    case Format::kQ2_K: return at >= 80;
    case Format::kQ3_K: return at >= 108;
    case Format::kTQ1_0: return at >= 52;
    case Format::kTQ2_0: return at >= 64;
    case Format::kIQ1_M: return at >= 48;
    case Format::kMXFP4: return at < 1;
    case Format::kNVFP4: return false;
    case Format::kQ4_1:
    case Format::kQ5_1: return at < 4;
    default: return at < 2;
  }
}

// Integers and scales at their ends: sums that leave 16 bits, weights of -128, minima of both
// signs.
TEST_P(MatmulTest, IntegersAtTheirEndsStayExact) {
  if (kind == ActivationKind::kFloat) return;  // has none
  const int cols = std::max(64, tensor::Traits(format).block_values);
  for (const int fill : {0x00, 0x80, 0x7f, 0xff}) {
    Weights weights(format, {16, cols}, 1);
    const std::size_t block = tensor::Traits(format).block_bytes;
    for (std::size_t at = 0; at < weights.stored.size(); ++at) {
      const std::size_t in = at % block;
      if (HoldsScale(format, in)) continue;
      weights.stored[at] = static_cast<std::byte>(fill);
    }
    ASSERT_TRUE(PackGroups(format, cols, weights.stored, 1, weights.packed.bytes()).has_value());
    for (const float sign : {1.0f, -1.0f}) {
      const std::vector<float> x(12 * std::size_t(cols), sign * 3.0f);
      std::vector<bool> failed;
      const AlignedBuffer tiles = Pack(x, 12, cols, &failed);
      const std::vector<float> got = Multiply(weights.matrix, tiles, 12, 0, 1);
      const std::vector<float> want = weights.Products(std::span(x).first(cols));
      for (int r = 0; r < 12; ++r) ExpectRow(got, 32, r, 0, 1, want);
    }
  }
}

// Remainder and probes do not depend on a format.
class ProbesTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Kernels& kernels = KernelsFor(GetParam());
};

TEST_P(ProbesTest, RemainderEqualsTheFormula) {
  constexpr int kCols = 576;
  std::vector<float> x = Activations(1, kCols, 17);
  x[40] = kNan;  // its block becomes zero
  const ref::QuantisedRow row = ref::Quantise(x);
  std::vector<float> y(kCols + 1, kGuard);
  kernels.remainder(x.data(), kCols, y.data());
  for (int k = 0; k < kCols; ++k) {
    const float want =
        k / 32 == 1 ? 0.0f : std::fma(-row.d[k / 32], static_cast<float>(row.q[k]), x[k]);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(y[k]), std::bit_cast<std::uint32_t>(want)) << k;
  }
  EXPECT_EQ(y[kCols], kGuard);
}

TEST_P(ProbesTest, ReadMemoryDependsOnEveryWord) {
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{320}, std::size_t{4096 + 192}}) {
    AlignedBuffer buffer = Aligned(bytes);
    const std::uint64_t before = kernels.read_memory(buffer.data(), bytes);
    for (std::size_t at = 0; at < bytes; at += 4) {
      buffer.data()[at] ^= std::byte{1};
      EXPECT_NE(kernels.read_memory(buffer.data(), bytes), before) << at << " of " << bytes;
      buffer.data()[at] ^= std::byte{1};
    }
    EXPECT_EQ(kernels.read_memory(buffer.data(), bytes), before);
  }
}

TEST_P(ProbesTest, Int8PeakCountsInProportion) {
  const double once = kernels.int8_peak(1);
  EXPECT_GT(once, 0);
  EXPECT_EQ(kernels.int8_peak(1000), 1000 * once);
}

INSTANTIATE_TEST_SUITE_P(All, ProbesTest, ::testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace cairn::kernels
