// SPDX-License-Identifier: Apache-2.0
// Attention to random keys and values for its tests: a scene of one shape, and what every
// instruction set makes of it beside attend_ref.h. Memory that a row may not see holds values that
// are not numbers throughout. For tests only.
// Threads: used by one thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/attend_ref.h"
#include "kernels/kernels.h"

namespace cairn::kernels {

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

inline constexpr KvFormat kKvFormats[] = {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8};

inline std::string Describe(const Shape& s) {
  return "format " + std::to_string(static_cast<int>(s.format)) + " head_dim " +
         std::to_string(s.head_dim) + " group " + std::to_string(s.group) + " first " +
         std::to_string(s.first) + " rows " + std::to_string(s.rows) + " window " +
         std::to_string(s.window) + (s.chunked ? " chunked" : "") + " softcap " +
         std::to_string(s.softcap) + (s.whole ? " whole" : "") + (s.slopes ? " slopes" : "") +
         (s.sinks ? " sinks" : "") + (s.relative ? " relative" : "");
}

inline constexpr std::uint16_t kPoison = 0xffff;  // not a number, as f16 and in pairs as f32
inline constexpr std::size_t kOffset = 192;       // bytes before the layer in a tile

inline AlignedBuffer Aligned(std::size_t bytes) {
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

inline void ExpectSameBits(const std::vector<float>& got, const std::vector<float>& want,
                           int width) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
        << "row " << i / width << " value " << i % width << ": " << got[i] << ", not " << want[i];
  }
}

// The whole contract for one shape: every instruction set, both ways, gives the reference.
inline void CheckShape(const Shape& shape, Scene& scene) {
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
inline void CheckShape(Shape shape) {
  for (const KvFormat format : kKvFormats) {
    shape.format = format;
    Scene scene(shape);
    CheckShape(shape, scene);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace cairn::kernels
