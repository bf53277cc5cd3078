// SPDX-License-Identifier: Apache-2.0
// Attention of every instruction set against attend_ref.h, bit for bit. Memory that a row may not
// see holds values that are not numbers throughout.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/attend_ref.h"
#include "kernels/kernels.h"

namespace cairn::kernels {
namespace {

struct Shape {
  int head_dim = 64;
  int heads = 2;
  int group = 3;
  std::int64_t first = 0;
  int rows = 1;
  int window = 0;
  bool chunked = false;
  float softcap = 0;
  float spread = 1;    // standard deviation of the queries
  bool whole = false;  // rows see later ones
  bool slopes = false;
  bool sinks = false;
  bool relative = false;
  KvFormat format = KvFormat::kF16;
};

constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8};

std::string Describe(const Shape& s) {
  return "format " + std::to_string(static_cast<int>(s.format)) + " head_dim " +
         std::to_string(s.head_dim) + " group " + std::to_string(s.group) + " first " +
         std::to_string(s.first) + " rows " + std::to_string(s.rows) + " window " +
         std::to_string(s.window) + (s.chunked ? " chunked" : "") + " softcap " +
         std::to_string(s.softcap) + (s.whole ? " whole" : "") + (s.slopes ? " slopes" : "") +
         (s.sinks ? " sinks" : "") + (s.relative ? " relative" : "");
}

constexpr std::uint16_t kPoison = 0xffff;  // not a number, as f16 and in pairs as f32
constexpr std::size_t kOffset = 192;       // bytes before the layer in a tile

AlignedBuffer Aligned(std::size_t bytes) {
  auto buffer = AlignedBuffer::Allocate(bytes);
  return buffer ? std::move(*buffer) : AlignedBuffer();
}

// A cache of poison, with rows of random keys and values up to the last position of the shape.
class Scene {
 public:
  explicit Scene(const Shape& shape, unsigned seed = 7) : shape_(shape) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const std::int64_t length = shape.first + shape.rows;
    const int width = shape.heads * shape.head_dim;
    for (std::int64_t t = 0; t < (length + 63) / 64; ++t) {
      buffers_.push_back(
          Aligned(kOffset + KvLayerBytes(shape.format, shape.head_dim, shape.heads)));
      tiles_.push_back(buffers_.back().data());
    }
    keys_.resize(length * width);
    values_.resize(length * width);
    for (float& k : keys_) k = normal(random);
    for (float& v : values_) v = normal(random);
    queries_.resize(static_cast<std::size_t>(shape.rows) * width * shape.group);
    for (float& q : queries_) q = shape.spread * normal(random);
    for (int h = 0; h < shape.heads * shape.group; ++h) {
      slopes_.push_back(std::ldexp(1.3f, -1 - h));
      sinks_.push_back(2 * normal(random));
    }
    // For distances from -length - 64 to length + 64.
    relative_.resize(static_cast<std::size_t>(shape.heads * shape.group) * RelativeStride());
    for (float& r : relative_) r = normal(random);
    Restore(0, length);
  }

  // Poison everywhere except at positions [begin, end).
  void Restore(std::int64_t begin, std::int64_t end) {
    for (AlignedBuffer& b : buffers_) {
      auto* halves = reinterpret_cast<std::uint16_t*>(b.data());
      std::fill(halves, halves + b.size() / 2, kPoison);
    }
    const int width = shape_.heads * shape_.head_dim;
    for (int h = 0; h < shape_.heads; ++h) {
      ref::StoreKv(Kv(), h, {keys_.data() + begin * width, width},
                   {values_.data() + begin * width, width}, begin, static_cast<int>(end - begin));
    }
  }

  KvView Kv() const {
    return {.tiles = tiles_.data(),
            .offset = kOffset,
            .head_dim = shape_.head_dim,
            .heads = shape_.heads,
            .format = shape_.format};
  }
  std::ptrdiff_t RelativeStride() const { return 2 * (shape_.first + shape_.rows + 64) + 1; }
  int Width() const { return shape_.heads * shape_.group * shape_.head_dim; }
  AttendView View(std::vector<float>& out) {
    out.assign(queries_.size(), -1.0f);
    return {.kv = Kv(),
            .q = {queries_.data(), Width()},
            .out = {out.data(), Width()},
            .first = shape_.first,
            .end = shape_.whole ? shape_.first + shape_.rows : 0,
            .group = shape_.group,
            .window = shape_.window,
            .chunked = shape_.chunked,
            .scale = 1 / std::sqrt(static_cast<float>(shape_.head_dim)),
            .softcap = shape_.softcap,
            .slopes = shape_.slopes ? slopes_.data() : nullptr,
            .sinks = shape_.sinks ? sinks_.data() : nullptr,
            .relative = shape_.relative ? relative_.data() + RelativeStride() / 2 : nullptr,
            .relative_stride = RelativeStride()};
  }

  std::vector<float> Reference() {
    std::vector<float> out;
    const AttendView view = View(out);
    for (int r = 0; r < shape_.rows; ++r) {
      for (int h = 0; h < shape_.heads * shape_.group; ++h) {
        ref::AttendHead(view, h, r, view.out.row(r) + h * shape_.head_dim);
      }
    }
    return out;
  }

  // In blocks of `block` rows.
  std::vector<float> Attend(const Kernels& kernels, int block) {
    std::vector<float> out;
    const AttendView view = View(out);
    AlignedBuffer scratch = Scratch();
    for (int begin = 0; begin < shape_.rows; begin += block) {
      for (int h = 0; h < shape_.heads; ++h) {
        kernels.attend(view, h, begin, std::min(begin + block, shape_.rows),
                       reinterpret_cast<float*>(scratch.data()));
      }
    }
    return out;
  }

  std::vector<float> AttendInParts(const Kernels& kernels) {
    std::vector<float> out;
    const AttendView view = View(out);
    AlignedBuffer scratch = Scratch();
    const int stride = PartStride(shape_.head_dim);
    for (int r = 0; r < shape_.rows; ++r) {
      const PartRange parts =
          VisibleParts(shape_.first + r, shape_.window, view.end, shape_.chunked);
      const int count = parts.last - parts.first + 1;
      AlignedBuffer states = Aligned(sizeof(float) * count * shape_.group * stride);
      auto* state = reinterpret_cast<float*>(states.data());
      for (int h = 0; h < shape_.heads; ++h) {
        for (int p = 0; p < count; ++p) {
          kernels.attend_part(view, h, r, parts.first + p, state + p * shape_.group * stride,
                              reinterpret_cast<float*>(scratch.data()));
        }
        for (int g = 0; g < shape_.group; ++g) {
          kernels.merge_parts(state + g * stride, count, shape_.group * stride, shape_.head_dim,
                              shape_.sinks ? &sinks_[h * shape_.group + g] : nullptr,
                              view.out.row(r) + (h * shape_.group + g) * shape_.head_dim);
        }
      }
    }
    return out;
  }

  std::vector<float>& keys() { return keys_; }
  std::vector<float>& values() { return values_; }
  std::vector<float>& queries() { return queries_; }

 private:
  // Poison after the floats that the kernel asked for shows a write past them.
  AlignedBuffer Scratch() const {
    AlignedBuffer scratch =
        Aligned(sizeof(float) * AttendScratchFloats(shape_.head_dim, shape_.group));
    std::memset(scratch.data(), 0xff, scratch.size());
    return scratch;
  }

  Shape shape_;
  std::vector<AlignedBuffer> buffers_;
  std::vector<std::byte*> tiles_;
  std::vector<float> keys_, values_, queries_, slopes_, sinks_, relative_;
};

void ExpectSameBits(const std::vector<float>& got, const std::vector<float>& want, int width) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
        << "row " << i / width << " value " << i % width << ": " << got[i] << ", not " << want[i];
  }
}

// The whole contract for one shape: every instruction set, both ways, gives the reference.
void CheckShape(const Shape& shape, Scene& scene) {
  SCOPED_TRACE(Describe(shape));
  const std::vector<float> want = scene.Reference();
  for (const Isa isa : AvailableIsas()) {
    SCOPED_TRACE(IsaName(isa));
    const Kernels& kernels = KernelsFor(isa);
    ExpectSameBits(scene.Attend(kernels, kAttendRows), want, scene.Width());
    if (testing::Test::HasFatalFailure()) return;
    ExpectSameBits(scene.AttendInParts(kernels), want, scene.Width());
    if (testing::Test::HasFatalFailure()) return;
  }
}

// In every format.
void CheckShape(Shape shape) {
  for (const KvFormat format : kFormats) {
    shape.format = format;
    Scene scene(shape);
    CheckShape(shape, scene);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(AttendTest, EveryHeadDimensionEqualsTheReference) {
  for (const int head_dim : {16, 32, 48, 64, 80, 96, 112, 128, 256, 512, 576}) {
    CheckShape({.head_dim = head_dim, .first = 50, .rows = 20});
    CheckShape({.head_dim = head_dim, .first = 250, .rows = 9});
  }
}

TEST(AttendTest, EveryGroupEqualsTheReference) {
  for (const int group : {1, 2, 3, 4, 5, 6, 7, 8, 12, 32, 71}) {
    CheckShape({.head_dim = 32, .heads = 1, .group = group, .first = 60, .rows = 11});
    CheckShape({.head_dim = 16, .heads = 2, .group = group, .first = 256, .rows = 1});
  }
}

TEST(AttendTest, EveryFirstPositionEqualsTheReference) {
  for (std::int64_t first = 0; first <= 300; first += first % 64 > 60 || first % 64 < 3 ? 1 : 19) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 3, .first = first, .rows = 7});
  }
}

TEST(AttendTest, EveryNumberOfRowsEqualsTheReference) {
  for (int rows = 1; rows <= 70; rows += rows < 34 ? 1 : 5) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 1 + rows % 4, .first = 33, .rows = rows});
  }
}

TEST(AttendTest, EveryWindowEqualsTheReference) {
  for (const int window : {1, 2, 15, 16, 17, 63, 64, 65, 100, 128, 191, 192, 256, 257, 300, 1000}) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 2, .first = 0, .rows = 70, .window = window});
    CheckShape({.head_dim = 64, .heads = 1, .first = 250, .rows = 40, .window = window});
    CheckShape({.head_dim = 16,
                .heads = 1,
                .group = 2,
                .first = 240,
                .rows = 40,
                .window = window,
                .chunked = true});
  }
}

TEST(AttendTest, SoftcapEqualsTheReference) {
  CheckShape({.first = 200, .rows = 70, .softcap = 5});
  CheckShape({.group = 1, .first = 30, .rows = 33, .window = 20, .softcap = 50, .spread = 100});
}

TEST(AttendTest, SlopesAndSinksEqualTheReference) {
  CheckShape({.first = 200, .rows = 70, .slopes = true});
  CheckShape({.first = 200, .rows = 70, .sinks = true});
  CheckShape({.head_dim = 16,
              .group = 9,
              .first = 510,
              .rows = 5,
              .window = 90,
              .slopes = true,
              .sinks = true});
  CheckShape({.group = 1,
              .first = 300,
              .rows = 3,
              .softcap = 20,
              .spread = 30,
              .slopes = true,
              .sinks = true});
}

TEST(AttendTest, RowsThatSeeTheWholeSequenceEqualTheReference) {
  for (int rows = 1; rows <= 340; rows += rows < 6 ? 1 : rows < 130 ? 21 : 97) {
    CheckShape({.head_dim = 16, .heads = 1, .group = 1, .rows = rows, .whole = true});
    CheckShape({.head_dim = 32, .group = 2, .first = 61, .rows = rows, .whole = true});
    CheckShape({.head_dim = 16,
                .heads = 1,
                .group = 3,
                .rows = rows,
                .window = 40,
                .whole = true,
                .slopes = true,
                .sinks = true});
  }
}

TEST(AttendTest, RelativePositionsEqualTheReference) {
  CheckShape({.first = 200, .rows = 70, .relative = true});
  CheckShape(
      {.head_dim = 16, .heads = 2, .group = 3, .rows = 150, .whole = true, .relative = true});
  CheckShape({.head_dim = 32,
              .heads = 1,
              .group = 1,
              .first = 70,
              .rows = 5,
              .window = 50,
              .whole = true,
              .slopes = true,
              .relative = true});
}

TEST(AttendTest, HugeScoresEqualTheReference) {
  // Weights far below the cut-off of exp, and maxima that move at every tile.
  CheckShape({.first = 280, .rows = 35, .spread = 300});
  CheckShape({.group = 1, .first = 280, .rows = 35, .window = 130, .spread = 1e6});
}

TEST(AttendTest, NegativeZerosAndSaturatedValuesEqualTheReference) {
  for (const KvFormat format : kFormats) {
    const Shape shape{.head_dim = 32, .first = 100, .rows = 40, .format = format};
    Scene scene(shape);
    std::mt19937 random(3);
    for (std::vector<float>* rows : {&scene.keys(), &scene.values(), &scene.queries()}) {
      for (float& x : *rows) {
        const unsigned kind = random() % 16;
        if (kind < 4) x = -0.0f;
        if (kind == 4) x = 0.0f;
        if (kind == 5) x = 1e-7f;  // subnormal as f16
        if (kind == 6 && rows != &scene.queries()) x = 1e9f * (x > 0 ? 1.0f : -1.0f);
      }
    }
    scene.Restore(0, shape.first + shape.rows);
    CheckShape(shape, scene);
  }
}

// All scores are -0 or all values are -0: signs of zeros follow the formula too.
TEST(AttendTest, AllNegativeZeroValuesEqualTheReference) {
  for (const KvFormat format : kFormats) {
    const Shape shape{.head_dim = 16, .first = 0, .rows = 70, .format = format};
    Scene scene(shape);
    for (float& v : scene.values()) v = -0.0f;
    for (float& k : scene.keys()) k = -0.0f;
    scene.Restore(0, 70);
    CheckShape(shape, scene);
  }
}

TEST(AttendTest, SplitsOfTheRowsGiveTheSameBytes) {
  for (const KvFormat format : kFormats) {
    const Shape shape{.head_dim = 48,
                      .heads = 1,
                      .group = 3,
                      .first = 190,
                      .rows = 70,
                      .window = format == KvFormat::kF16 ? 0 : 40,
                      .format = format};
    Scene scene(shape);
    const std::vector<float> want = scene.Reference();
    for (const Isa isa : AvailableIsas()) {
      for (int block = 1; block <= kAttendRows; ++block) {
        SCOPED_TRACE(testing::Message() << IsaName(isa) << " block " << block);
        ExpectSameBits(scene.Attend(KernelsFor(isa), block), want, scene.Width());
        if (HasFatalFailure()) return;
      }
    }
  }
}

// A row's result while every position that it does not see is poison.
TEST(AttendTest, MemoryOutsideTheVisibleRangeIsNeverUsed) {
  const auto check = [](int window, KvFormat format) {
    const Shape shape{.head_dim = 32,
                      .heads = 1,
                      .group = 2,
                      .first = 100,
                      .rows = 40,
                      .window = window,
                      .format = format};
    Scene scene(shape);
    const std::vector<float> want = scene.Reference();
    for (int r = 0; r < shape.rows; ++r) {
      const std::int64_t last = shape.first + r;
      scene.Restore(window == 0 ? 0 : std::max<std::int64_t>(0, last - window + 1), last + 1);
      for (const Isa isa : AvailableIsas()) {
        SCOPED_TRACE(testing::Message() << IsaName(isa) << " window " << window << " row " << r);
        std::vector<float> out;
        const AttendView view = scene.View(out);
        AlignedBuffer scratch = Aligned(sizeof(float) * AttendScratchFloats(32, 2));
        KernelsFor(isa).attend(view, 0, r, r + 1, reinterpret_cast<float*>(scratch.data()));
        for (int c = 0; c < scene.Width(); ++c) {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(view.out.row(r)[c]),
                    std::bit_cast<std::uint32_t>(want[r * scene.Width() + c]))
              << c;
        }
      }
    }
  };
  for (const int window : {0, 1, 30, 64, 90}) {
    for (const KvFormat format : kFormats) check(window, format);
  }
}

TEST(AttendTest, RowsThatAreNotAskedForAreNotWritten) {
  const Shape shape{.first = 10, .rows = 12};
  Scene scene(shape);
  for (const Isa isa : AvailableIsas()) {
    std::vector<float> out;
    const AttendView view = scene.View(out);
    AlignedBuffer scratch = Aligned(sizeof(float) * AttendScratchFloats(64, 3));
    KernelsFor(isa).attend(view, 1, 3, 7, reinterpret_cast<float*>(scratch.data()));
    for (int r = 0; r < 12; ++r) {
      for (int c = 0; c < scene.Width(); ++c) {
        const bool asked = r >= 3 && r < 7 && c >= 3 * 64;
        ASSERT_EQ(view.out.row(r)[c] == -1.0f, !asked) << IsaName(isa) << " " << r << " " << c;
      }
    }
  }
}

// Section 9: what is not a number reaches the output of the rows that see it, and no other.
TEST(AttendTest, AVisibleValueThatIsNotANumberFailsTheRowsThatSeeIt) {
  const auto check = [](KvFormat format, float bad, bool in_keys) {
    SCOPED_TRACE(testing::Message() << static_cast<int>(format) << " " << bad << " " << in_keys);
    const Shape shape{
        .head_dim = 32, .heads = 1, .group = 2, .first = 60, .rows = 30, .format = format};
    Scene scene(shape);
    auto& rows = in_keys ? scene.keys() : scene.values();
    for (int c = 0; c < 32; ++c) rows[70 * 32 + c] = bad;
    if (in_keys) {  // so that the infinite score is positive
      for (float& q : scene.queries()) q = std::fabs(q);
    }
    scene.Restore(0, 90);
    const std::vector<float> now = scene.Reference();
    for (const Isa isa : AvailableIsas()) {
      for (const std::vector<float>& got :
           {scene.Attend(KernelsFor(isa), 32), scene.AttendInParts(KernelsFor(isa))}) {
        for (int i = 0; i < 30 * 64; ++i) {
          if (i / 64 < 10) {
            ASSERT_EQ(got[i], now[i]) << IsaName(isa) << " row " << i / 64;
          } else {
            ASSERT_FALSE(std::isfinite(got[i])) << IsaName(isa) << " row " << i / 64;
          }
        }
      }
    }
  };
  for (const KvFormat format : kFormats) {
    for (const bool in_keys : {false, true}) {
      check(format, std::numeric_limits<float>::quiet_NaN(), in_keys);
      check(format, std::numeric_limits<float>::infinity(), in_keys);
    }
  }
}

// --- store_kv -------------------------------------------------------------------------------

void CheckStores(KvFormat format) {
  for (const int head_dim : {16, 64, 80, 512}) {
    for (const std::int64_t first : {0, 1, 15, 16, 37, 63, 64, 100, 127}) {
      for (const int rows : {1, 2, 15, 16, 17, 33, 64, 65, 130}) {
        SCOPED_TRACE(testing::Message() << head_dim << " first " << first << " rows " << rows);
        const int heads = 2, width = heads * head_dim + 3;  // rows that are not aligned
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        std::vector<float> k(rows * width), v(rows * width);
        for (std::vector<float>* values : {&k, &v}) {
          for (float& x : *values)
            x = std::ldexp(normal(random), static_cast<int>(random() % 60) - 32);
          (*values)[2] = -0.0f;
          (*values)[3] = 65519.0f;                // would round to 65504 anyway
          (*values)[4] = 65520.0f;                // would round to infinity
          if (format == KvFormat::kQ8) continue;  // not finite: its bytes are not defined
          (*values)[0] = std::numeric_limits<float>::infinity();
          (*values)[1] = -1e30f;
          (*values)[5] = -std::numeric_limits<float>::infinity();
        }
        const std::size_t bytes = kOffset + KvLayerBytes(format, head_dim, heads);
        const int tile_count = static_cast<int>((first + rows + 63) / 64);
        const auto store = [&](auto&& function) {
          std::vector<std::vector<std::uint16_t>> tiles(
              tile_count, std::vector<std::uint16_t>(bytes / 2, kPoison));
          std::vector<std::byte*> pointers;
          for (auto& t : tiles) pointers.push_back(reinterpret_cast<std::byte*>(t.data()));
          const KvView kv{pointers.data(), kOffset, head_dim, heads, format};
          function(kv, 1, ConstRowsView(k.data(), width), ConstRowsView(v.data(), width), first,
                   rows);
          return tiles;
        };
        const auto want = store(ref::StoreKv);
        for (const Isa isa : AvailableIsas()) {
          ASSERT_TRUE(store(KernelsFor(isa).store_kv) == want) << IsaName(isa);
        }
      }
    }
  }
}

TEST(StoreKvTest, AnyRangeOfPositionsEqualsTheReferenceAndTouchesNothingElse) {
  for (const KvFormat format : kFormats) {
    SCOPED_TRACE(static_cast<int>(format));
    CheckStores(format);
    if (HasFatalFailure()) return;
  }
}

TEST(StoreKvTest, NotANumberStaysNotANumber) {
  for (const KvFormat format : kFormats) {
    for (const Isa isa : AvailableIsas()) {
      std::vector<float> row(16, 1.0f);
      row[7] = std::numeric_limits<float>::quiet_NaN();
      AlignedBuffer tile = Aligned(KvLayerBytes(format, 16, 1));
      std::byte* tiles[] = {tile.data()};
      const KvView kv{tiles, 0, 16, 1, format};
      KernelsFor(isa).store_kv(kv, 0, {row.data(), 16}, {row.data(), 16}, 5, 1);
      ASSERT_TRUE(std::isnan(ref::Key(kv, 0, 5, 7))) << IsaName(isa);
      ASSERT_TRUE(std::isnan(ref::Value(kv, 0, 5, 7))) << IsaName(isa);
    }
  }
}

// --- visible parts --------------------------------------------------------------------------

TEST(VisiblePartsTest, ChunksBeginAtTheirMultiples) {
  for (const int chunk : {1, 7, 256, 300, 8192}) {
    for (std::int64_t p = 0; p < 1100; ++p) {
      std::int64_t first = 0;
      while (first + chunk <= p) first += chunk;
      ASSERT_EQ(FirstVisible(p, chunk, true), first);
      ASSERT_EQ(VisibleParts(p, chunk, 0, true).first, first / 256);
    }
  }
}

TEST(VisiblePartsTest, EqualsAPlainSearchOverThePositions) {
  for (std::int64_t p = 0; p < 1100; p += 1 + p % 7) {
    for (const int window : {0, 1, 2, 255, 256, 257, 512, 513, 5000}) {
      for (const std::int64_t end : {std::int64_t{0}, p + 1, p + 2, std::int64_t{1100}}) {
        int first = -1, last = -1;
        for (std::int64_t j = 0; j < (end == 0 ? p + 1 : end); ++j) {
          if (window != 0 && std::abs(j - p) >= window) continue;
          if (first < 0) first = static_cast<int>(j / 256);
          last = static_cast<int>(j / 256);
        }
        const PartRange parts = VisibleParts(p, window, end);
        ASSERT_EQ(parts.first, first) << p << " " << window << " " << end;
        ASSERT_EQ(parts.last, last) << p << " " << window << " " << end;
      }
    }
  }
}

// --- against real softmax -------------------------------------------------------------------

// In binary64, over the stored f16 values, with a bound from the unit roundoff u = 2^-24 of every
// step. Errors of a score: the products with scale, and the chain, at most (d + 1) u sum |q k|;
// then s - M, u |s - M|; exp, 2 units in the last place or 4 u. All of that is a relative error e
// of a weight, which numerator and denominator share; the sums add at most (n + 3 parts + tiles)
// roundings u each (a rescaling is an exp of 4 u and a product). To first order the output is off
// by (2 e + 2 (n + 8 tiles) u) sum p |v| / l; weights below the cut-off add e^-87.
TEST(AttendTest, IsWithinTheDerivedBoundOfSoftmaxInDouble) {
  const double u = 0x1p-24;
  for (const int head_dim : {64, 256}) {
    const Shape shape{
        .head_dim = head_dim, .heads = 1, .group = 2, .first = 600, .rows = 4, .spread = 3};
    Scene scene(shape);
    std::vector<float> unused;
    const AttendView view = scene.View(unused);
    const std::vector<float> got = scene.Attend(KernelsFor(AvailableIsas().back()), 4);
    double worst = 0;
    for (int r = 0; r < shape.rows; ++r) {
      for (int g = 0; g < shape.group; ++g) {
        const int n = static_cast<int>(shape.first) + r + 1;
        std::vector<double> s(n), magnitude(n);
        for (int j = 0; j < n; ++j) {
          for (int c = 0; c < head_dim; ++c) {
            const double product = double{view.q.row(r)[g * head_dim + c]} * double{view.scale} *
                                   ref::Key(view.kv, 0, j, c);
            s[j] += product;
            magnitude[j] += std::abs(product);
          }
        }
        const double m = *std::max_element(s.begin(), s.end());
        double l = 0, e = 0;
        for (int j = 0; j < n; ++j) {
          e = std::max(e, (head_dim + 1) * u * magnitude[j] + u * std::abs(s[j] - m) + 4 * u);
          l += std::exp(s[j] - m);
        }
        for (int c = 0; c < head_dim; ++c) {
          double o = 0, size = 0;
          for (int j = 0; j < n; ++j) {
            const double v = ref::Value(view.kv, 0, j, c);
            o += std::exp(s[j] - m) / l * v;
            size += std::exp(s[j] - m) / l * std::abs(v);
          }
          const double bound = (2 * e + 2 * (n + 8 * (n / 64 + 1)) * u) * size + 1e-30;
          const double error = std::abs(got[r * scene.Width() + g * head_dim + c] - o);
          ASSERT_LE(error, bound) << "row " << r << " channel " << c;
          worst = std::max(worst, error / bound);
        }
      }
    }
    RecordProperty("worst_share_of_bound_" + std::to_string(head_dim), std::to_string(worst));
  }
}

}  // namespace
}  // namespace cairn::kernels
