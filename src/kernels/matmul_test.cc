// SPDX-License-Identifier: Apache-2.0
// Every format on every instruction set of the machine against the scalar reference, bit for bit,
// over shapes that hurt.
#include "kernels/matmul_ref.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/aligned_buffer.h"
#include "kernels/kernels.h"
#include "tensor/dequantise.h"
#include "testing/random_blocks.h"

namespace cairn::kernels {
namespace {

using tensor::Format;

std::vector<float> RandomRows(int rows, int cols, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
  for (float& value : values) value = normal(random) * (random() % 7 == 0 ? 20.0f : 1.0f);
  return values;
}

// A stored matrix and its packed form.
struct Matrix {
  Matrix(Format format, int rows, int cols, std::uint64_t seed)
      : stored(testing::RandomBlocks(
            format, static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols), seed)),
        row_bytes(tensor::RowBytes(format, static_cast<std::size_t>(cols))) {
    packed.format = format;
    packed.rows = rows;
    packed.cols = cols;
    packed.groups = (rows + kGroupRows - 1) / kGroupRows;
    packed.group_bytes = PackedGroupBytes(format, cols);
    memory = *AlignedBuffer::Allocate(packed.group_bytes * static_cast<std::size_t>(packed.groups));
    EXPECT_TRUE(PackGroups(format, cols, stored, packed.groups, memory.bytes()));
    packed.data = memory.data();
  }
  std::span<const std::byte> row(int r) const {
    return std::span(stored).subspan(static_cast<std::size_t>(r) * row_bytes, row_bytes);
  }
  std::vector<std::byte> stored;
  std::size_t row_bytes;
  AlignedBuffer memory;
  PackedMatrix packed;
};

AlignedBuffer PackAll(const Kernels& k, ActivationKind kind, const std::vector<float>& x, int rows,
                      int cols, std::uint64_t* failed = nullptr) {
  AlignedBuffer tiles = *AlignedBuffer::Allocate(PackedRowsBytes(kind, rows, cols));
  for (int row = 0; row < rows; row += kTileRows) {
    const int count = std::min(kTileRows, rows - row);
    const std::uint32_t mask = k.pack_rows(
        kind, {x.data() + static_cast<std::ptrdiff_t>(row) * cols, cols}, count, cols,
        tiles.data() + static_cast<std::size_t>(row / kTileRows) * PackedTileBytes(kind, cols));
    if (failed != nullptr) *failed |= static_cast<std::uint64_t>(mask) << row;
  }
  return tiles;
}

std::vector<float> Multiply(const Kernels& k, const Matrix& m, const std::vector<float>& x,
                            int rows) {
  const ActivationKind kind = ActivationOf(m.packed.format);
  const AlignedBuffer tiles = PackAll(k, kind, x, rows, m.packed.cols);
  const std::ptrdiff_t stride = m.packed.groups * kGroupRows;
  std::vector<float> out(static_cast<std::size_t>(rows * stride), NAN);
  k.matmul(m.packed, 0, m.packed.groups, tiles.data(), rows, {out.data(), stride});
  return out;
}

class MatmulTest : public ::testing::TestWithParam<Format> {};

TEST_P(MatmulTest, EqualsTheReferenceBitForBit) {
  const int block = tensor::Traits(GetParam()).block_values;
  const std::vector<int> widths = block == 256 ? std::vector<int>{256, 768}
                                  : block == 32 ? std::vector<int>{32, 64, 576, 640}
                                                : std::vector<int>{16, 80, 576};
  for (const Isa isa : AvailableIsas()) {
    const Kernels& k = KernelsFor(isa);
    for (const int cols : widths) {
      for (const int outputs : {1, 16, 33, 80}) {
        const Matrix m(GetParam(), outputs, cols, static_cast<std::uint64_t>(cols + outputs));
        for (const int rows : {1, 2, 3, 4, 5, 7, 11, 12, 13, 25}) {
          const std::vector<float> x = RandomRows(rows, cols, static_cast<std::uint64_t>(rows));
          const std::vector<float> out = Multiply(k, m, x, rows);
          const std::ptrdiff_t stride = m.packed.groups * kGroupRows;
          for (int r = 0; r < rows; ++r) {
            for (int n = 0; n < outputs; n += rows > 5 ? 7 : 1) {
              const float expected = ref::Product(GetParam(), m.row(n), x.data() + r * cols);
              ASSERT_EQ(std::bit_cast<std::uint32_t>(expected),
                        std::bit_cast<std::uint32_t>(out[static_cast<std::size_t>(r * stride + n)]))
                  << IsaName(isa) << " cols " << cols << " outputs " << outputs << " rows " << rows
                  << " at row " << r << " output " << n;
            }
          }
        }
      }
    }
  }
}

TEST_P(MatmulTest, GroupRangesGiveWhatTheWholeGives) {
  const Matrix m(GetParam(), 150, 512, 3);
  for (const Isa isa : AvailableIsas()) {
    const Kernels& k = KernelsFor(isa);
    for (const int rows : {1, 2, 14}) {
      const std::vector<float> x = RandomRows(rows, 512, 5);
      const std::vector<float> whole = Multiply(k, m, x, rows);
      const AlignedBuffer tiles = PackAll(k, ActivationOf(GetParam()), x, rows, 512);
      std::vector<float> out(whole.size(), NAN);
      const std::ptrdiff_t stride = m.packed.groups * kGroupRows;
      for (int begin = 0; begin < m.packed.groups; begin += 3) {
        const int end = std::min(m.packed.groups, begin + 3);
        k.matmul(m.packed, begin, end, tiles.data(), rows,
                 {out.data() + begin * kGroupRows, stride});
      }
      EXPECT_EQ(out, whole) << IsaName(isa) << " rows " << rows;
    }
  }
}

TEST_P(MatmulTest, ARowThatIsNotFiniteDisturbsNoOther) {
  const Matrix m(GetParam(), 32, 256, 9);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const Isa isa : AvailableIsas()) {
      const Kernels& k = KernelsFor(isa);
      std::vector<float> x = RandomRows(5, 256, 1);
      const std::vector<float> good = Multiply(k, m, x, 5);
      x[2 * 256 + 77] = bad;
      std::uint64_t failed = 0;
      PackAll(k, ActivationOf(GetParam()), x, 5, 256, &failed);
      EXPECT_EQ(failed, 1u << 2) << IsaName(isa);
      std::vector<float> out = Multiply(k, m, x, 5);
      for (const int r : {0, 1, 3, 4}) {
        for (int n = 0; n < 32; ++n) {
          EXPECT_EQ(out[static_cast<std::size_t>(r * 32 + n)],
                    good[static_cast<std::size_t>(r * 32 + n)]);
        }
      }
    }
  }
}

TEST_P(MatmulTest, UnpackedRowsEqualTheDequantised) {
  const Matrix m(GetParam(), 37, 512, 4);
  std::vector<float> expected(512), row(512);
  for (int r = 0; r < 37; ++r) {
    ASSERT_TRUE(tensor::Dequantise(GetParam(), m.row(r), expected));
    UnpackRow(m.packed, r, 1.0f, row.data());
    ASSERT_EQ(row, expected) << "row " << r;
  }
  UnpackRow(m.packed, 36, 3.0f, row.data());
  for (float& value : expected) value *= 3.0f;
  EXPECT_EQ(row, expected);
}

TEST_P(MatmulTest, PackingInSlicesEqualsPackingAtOnce) {
  const Matrix m(GetParam(), 70, 256, 8);
  std::vector<std::byte> packed(m.memory.size());
  for (int group = 0; group < m.packed.groups; ++group) {
    const std::size_t begin = static_cast<std::size_t>(group) * kGroupRows * m.row_bytes;
    const std::size_t end = std::min(m.stored.size(), begin + kGroupRows * m.row_bytes);
    ASSERT_TRUE(PackGroups(
        GetParam(), 256, std::span(m.stored).subspan(begin, end - begin), 1,
        std::span(packed).subspan(static_cast<std::size_t>(group) * m.packed.group_bytes,
                                  m.packed.group_bytes)));
  }
  EXPECT_TRUE(std::ranges::equal(packed, m.memory.bytes()));
}

TEST_P(MatmulTest, PackedFormIsAtMostAFewPercentLargerThanTheFile) {
  const std::size_t stored = 16 * tensor::RowBytes(GetParam(), 2048);
  EXPECT_LE(PackedGroupBytes(GetParam(), 2048), stored + stored / 20);
}

std::vector<Format> MatmulFormats() {
  std::vector<Format> formats;
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (traits.has_matmul) formats.push_back(traits.format);
  }
  return formats;
}
INSTANTIATE_TEST_SUITE_P(Formats, MatmulTest, ::testing::ValuesIn(MatmulFormats()),
                         [](const auto& format) {
                           return std::string(tensor::Traits(format.param).name);
                         });

TEST(PackRowsTest, TinyAndHugeValuesKeepToThePage) {
  for (const Isa isa : AvailableIsas()) {
    const Kernels& k = KernelsFor(isa);
    std::vector<float> x(64, 0x1p-65f);
    for (int i = 32; i < 64; ++i) x[static_cast<std::size_t>(i)] = i % 2 == 0 ? 3.4e38f : -1.0f;
    const AlignedBuffer tile = PackAll(k, ActivationKind::kInt8, x, 1, 64);
    const auto* bytes = reinterpret_cast<const std::int8_t*>(tile.data());
    for (int i = 0; i < 32; ++i) EXPECT_EQ(bytes[i], 0);
    const auto* second = bytes + kActivationBlockBytes;
    for (int i = 0; i < 32; ++i) EXPECT_EQ(second[i], i % 2 == 0 ? 127 : 0) << IsaName(isa);
  }
}

TEST(RemainderTest, IsWhatOneRoundOfQuantisationLeaves) {
  const std::vector<float> x = RandomRows(1, 96, 2);
  for (const Isa isa : AvailableIsas()) {
    std::vector<float> y(96);
    KernelsFor(isa).remainder(x.data(), 96, y.data());
    for (int i = 0; i < 96; ++i) {
      const ref::ActivationBlock block = ref::Quantise(x.data() + i / 32 * 32);
      EXPECT_EQ(y[static_cast<std::size_t>(i)],
                std::fma(-block.d, static_cast<float>(block.q[i % 32]),
                         x[static_cast<std::size_t>(i)]));
    }
  }
}

TEST(PackGroupsTest, FormatsWithoutAMatmulAreRefused) {
  std::vector<std::byte> stored(16 * 4), packed(64);
  EXPECT_EQ(PackGroups(Format::kI32, 1, stored, 1, packed).error().code, ErrorCode::kUnsupported);
}

TEST(IsaTest, UnknownWordsAndMissingSetsAreErrorsThatNameWhatThereIs) {
  EXPECT_TRUE(ChooseIsa(std::nullopt));
  EXPECT_TRUE(ChooseIsa("portable"));
  EXPECT_EQ(ChooseIsa("sse9").error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(ChooseIsa("sse9").error().message.find("portable"), std::string::npos);
}

TEST(IsaTest, TheForcedSetIsTheOneThatRuns) {
  for (const Isa isa : AvailableIsas()) EXPECT_EQ(KernelsFor(isa).isa, isa);
}

}  // namespace
}  // namespace cairn::kernels
