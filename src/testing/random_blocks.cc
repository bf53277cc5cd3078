// SPDX-License-Identifier: Apache-2.0
// The stored integers are uniform bits; the scales are chosen so that the products have the spread
// asked for. A uniform integer of n values has a standard deviation of n / sqrt(12).
#include "testing/random_blocks.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/random.h"
#include "tensor/blocks.h"
#include "tensor/coded_blocks.h"
#include "tensor/grid_blocks.h"
#include "tensor/half.h"

namespace cairn::testing {
namespace {

using tensor::Format;

// A stream of numbers from the counter-based generator.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : random_(seed) {}
  double Uniform() { return random_.Uniform(count_++, 0); }
  double Between(double low, double high) { return low + (high - low) * Uniform(); }
  std::uint8_t Byte() { return static_cast<std::uint8_t>(Uniform() * 256); }
  // A sum of twelve uniform numbers less six: mean 0, variance 1, only additions, so that the
  // bytes are the same everywhere.
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }

 private:
  CounterRandom random_;
  std::uint64_t count_ = 0;
};

constexpr double kDeviation4 = 4.61;  // of 16 values
constexpr double kDeviation5 = 9.23;  // of 32
constexpr double kDeviation6 = 18.5;  // of 64
constexpr double kDeviation8 = 73.9;  // of 256

std::uint16_t Half(double value) { return tensor::HalfOfFloat(static_cast<float>(value)); }

template <typename Bytes>
void Fill(Bytes& bytes, Stream& random) {
  for (auto& byte : bytes)
    byte = static_cast<std::remove_reference_t<decltype(byte)>>(random.Byte());
}

// Scales vary by a factor of two around the one that gives `spread`.
double Scale(Stream& random, double spread, double deviation) {
  const double scale = spread / deviation * random.Between(0.7, 1.4);
  return random.Uniform() < 0.25 ? -scale : scale;
}

void Make(tensor::BlockQ4_0& b, Stream& random, double spread) {
  b.d = Half(Scale(random, spread, kDeviation4));
  Fill(b.qs, random);
}
void Make(tensor::BlockQ4_1& b, Stream& random, double spread) {
  const double d = Scale(random, spread, kDeviation4);
  b.d = Half(d);
  b.m = Half(-d * random.Between(6, 9));
  Fill(b.qs, random);
}
void Make(tensor::BlockQ5_0& b, Stream& random, double spread) {
  b.d = Half(Scale(random, spread, kDeviation5));
  Fill(b.qh, random);
  Fill(b.qs, random);
}
void Make(tensor::BlockQ5_1& b, Stream& random, double spread) {
  const double d = Scale(random, spread, kDeviation5);
  b.d = Half(d);
  b.m = Half(-d * random.Between(14, 17));
  Fill(b.qh, random);
  Fill(b.qs, random);
}
void Make(tensor::BlockQ8_0& b, Stream& random, double spread) {
  b.d = Half(Scale(random, spread, kDeviation8));
  Fill(b.qs, random);
}

// The 6-bit scale and minimum of eight sub-blocks in twelve bytes, the inverse of SubScaleOf.
void PackSubScales(const std::uint8_t (&scale)[8], const std::uint8_t (&minimum)[8],
                   std::uint8_t (&packed)[12]) {
  for (int j = 0; j < 4; ++j) {
    packed[j] = static_cast<std::uint8_t>(scale[j] | (scale[j + 4] >> 4) << 6);
    packed[j + 4] = static_cast<std::uint8_t>(minimum[j] | (minimum[j + 4] >> 4) << 6);
    packed[j + 8] = static_cast<std::uint8_t>((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
  }
}

// Sub-scales around 47 of 63; minima that bring the middle of each sub-block near zero.
template <typename Block>
void MakeSubScales(Block& b, Stream& random, double spread, double deviation, double middle) {
  std::uint8_t scale[8], minimum[8];
  for (int j = 0; j < 8; ++j) {
    scale[j] = static_cast<std::uint8_t>(random.Between(32, 64));
    minimum[j] = static_cast<std::uint8_t>(
        std::min(63.0, static_cast<double>(scale[j]) * random.Between(0.8, 1.2)));
  }
  PackSubScales(scale, minimum, b.scales);
  const double d = Scale(random, spread, deviation * 47);
  b.d = Half(d);
  b.dmin = Half(d * middle);
}
void Make(tensor::BlockQ4_K& b, Stream& random, double spread) {
  MakeSubScales(b, random, spread, kDeviation4, 7.5);
  Fill(b.qs, random);
}
void Make(tensor::BlockQ5_K& b, Stream& random, double spread) {
  MakeSubScales(b, random, spread, kDeviation5, 15.5);
  Fill(b.qh, random);
  Fill(b.qs, random);
}
void Make(tensor::BlockQ6_K& b, Stream& random, double spread) {
  Fill(b.ql, random);
  Fill(b.qh, random);
  Fill(b.scales, random);
  b.d = Half(Scale(random, spread, kDeviation6 * kDeviation8));
}

// Formats of coded_blocks.h. The sizes of what the scale multiplies are root mean squares: of
// codes, kIq4Values, kFp4Values, and of the sub-scales that uniform bits give.
constexpr double kSizeIq4 = 67.4, kSizeFp4 = 5.85, kSizeSixBits = 18.5;

void Make(tensor::BlockQ2_K& b, Stream& random, double spread) {
  Fill(b.qs, random);
  for (auto& scales : b.scales) {  // minima of about the scale, at one and a half of its step
    const double scale = std::floor(random.Between(6, 13));
    const double minimum = std::floor(scale * random.Between(0.8, 1.2) + 0.5);
    scales = static_cast<std::uint8_t>(static_cast<int>(scale) | static_cast<int>(minimum) << 4);
  }
  const double d = Scale(random, spread, 1.12 * 9.2);
  b.d = Half(d);
  b.dmin = Half(1.5 * d);
}
void Make(tensor::BlockQ3_K& b, Stream& random, double spread) {
  Fill(b.hmask, random);
  Fill(b.qs, random);
  Fill(b.scales, random);
  b.d = Half(Scale(random, spread, 2.35 * kSizeSixBits));
}
void Make(tensor::BlockIQ4_NL& b, Stream& random, double spread) {
  b.d = Half(Scale(random, spread, kSizeIq4));
  Fill(b.qs, random);
}
void Make(tensor::BlockIQ4_XS& b, Stream& random, double spread) {
  b.d = Half(Scale(random, spread, kSizeIq4 * kSizeSixBits));
  b.scales_h = static_cast<std::uint16_t>(random.Byte() | random.Byte() << 8);
  Fill(b.scales_l, random);
  Fill(b.qs, random);
}
// One of the two powers of two around the scale, so that the mean square is the one asked for.
void Make(tensor::BlockMXFP4& b, Stream& random, double spread) {
  int exponent;
  const double ratio = 2 * std::frexp(spread / kSizeFp4, &exponent);  // 1 to 2, times 2^(exp - 1)
  const bool larger = random.Uniform() < (ratio * ratio - 1) / 3;
  b.e = static_cast<std::uint8_t>(exponent - 1 + 128 + (larger ? 1 : 0));
  Fill(b.qs, random);
}
void Make(tensor::BlockNVFP4& b, Stream& random, double spread) {
  for (auto& d : b.d) {
    // The bits of an E4M3 are those of twice the value with another bias, in a float.
    const auto twice = static_cast<float>(2 * std::abs(Scale(random, spread, kSizeFp4)));
    const float kept = std::min(448.0f, twice) * 0x1p-120f;
    d = static_cast<std::uint8_t>((std::bit_cast<std::uint32_t>(kept) + 0x80000u) >> 20);
  }
  Fill(b.qs, random);
}
void Make(tensor::BlockTQ1_0& b, Stream& random, double spread) {
  Fill(b.qs, random);
  Fill(b.qh, random);
  b.d = Half(Scale(random, spread, 0.816));
}
void Make(tensor::BlockTQ2_0& b, Stream& random, double spread) {
  for (auto& four : b.qs) {
    four = 0;
    for (int n = 0; n < 4; ++n) {
      four = static_cast<std::uint8_t>(four | static_cast<int>(3 * random.Uniform()) << 2 * n);
    }
  }
  b.d = Half(Scale(random, spread, 0.816));
}

// Formats of grid_blocks.h: everything but d is uniform bits. Sizes are those of the grids' entries
// over all indices, times the part of the scale that the format gives away, times the root mean
// square of 2 s + 1 for s of three or four bits.
constexpr double kSizeThreeBits = 9.22, kSizeFourBits = 18.5;
template <typename Block>
void MakeGrid(Block& b, Stream& random, double spread, double size) {
  std::uint8_t bytes[sizeof(Block)];
  Fill(bytes, random);
  std::memcpy(&b, bytes, sizeof(b));
  const std::uint16_t d = Half(Scale(random, spread, size));
  if constexpr (requires { b.d; }) {
    b.d = d;
  } else {
    for (int n = 0; n < 4; ++n) {
      b.scales[n] = static_cast<std::uint16_t>((b.scales[n] & 0xfff) | (d >> (4 * n) & 15) << 12);
    }
  }
}
void Make(tensor::BlockIQ1_S& b, Stream& random, double spread) {
  MakeGrid(b, random, spread, 6.25 / 8 * kSizeThreeBits);
}
void Make(tensor::BlockIQ1_M& b, Stream& random, double spread) {
  MakeGrid(b, random, spread, 6.25 / 8 * kSizeThreeBits);
}
void Make(tensor::BlockIQ2_XXS& b, Stream& random, double spread) {
  MakeGrid(b, random, spread, 23.1 / 8 * kSizeFourBits);
}
void Make(tensor::BlockIQ2_XS& b, Stream& random, double spread) {
  MakeGrid(b, random, spread, 24.2 / 8 * kSizeFourBits);
}
void Make(tensor::BlockIQ2_S& b, Stream& random, double spread) {
  MakeGrid(b, random, spread, 24.4 / 8 * kSizeFourBits);
}
void Make(tensor::BlockIQ3_XXS& b, Stream& random, double spread) {
  MakeGrid(b, random, spread, 30.8 / 4 * kSizeFourBits);
}
void Make(tensor::BlockIQ3_S& b, Stream& random, double spread) {
  MakeGrid(b, random, spread, 7.6 * kSizeFourBits);
}

template <typename Block>
std::vector<std::byte> Blocks(std::size_t count, Stream& random, double spread) {
  std::vector<std::byte> bytes(count * sizeof(Block));
  for (std::size_t i = 0; i < count; ++i) {
    Block block;
    Make(block, random, spread);
    std::memcpy(bytes.data() + i * sizeof(Block), &block, sizeof(Block));
  }
  return bytes;
}

std::vector<std::byte> RandomFloats(Format format, std::size_t count, Stream& random,
                                    double spread) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(spread * random.Normal());
  return StoreFloats(format, values);
}

}  // namespace

std::vector<std::byte> RandomBlocks(Format format, std::size_t values, std::uint64_t seed,
                                    double spread) {
  const auto block = static_cast<std::size_t>(tensor::Traits(format).block_values);
  CAIRN_CHECK(values % block == 0);
  CAIRN_CHECK(spread > 0 && spread < 1000);
  const std::size_t count = values / block;
  Stream random(seed);
  switch (format) {
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16: return RandomFloats(format, values, random, spread);
    case Format::kQ4_0: return Blocks<tensor::BlockQ4_0>(count, random, spread);
    case Format::kQ4_1: return Blocks<tensor::BlockQ4_1>(count, random, spread);
    case Format::kQ5_0: return Blocks<tensor::BlockQ5_0>(count, random, spread);
    case Format::kQ5_1: return Blocks<tensor::BlockQ5_1>(count, random, spread);
    case Format::kQ8_0: return Blocks<tensor::BlockQ8_0>(count, random, spread);
    case Format::kQ4_K: return Blocks<tensor::BlockQ4_K>(count, random, spread);
    case Format::kQ5_K: return Blocks<tensor::BlockQ5_K>(count, random, spread);
    case Format::kQ6_K: return Blocks<tensor::BlockQ6_K>(count, random, spread);
    case Format::kQ2_K: return Blocks<tensor::BlockQ2_K>(count, random, spread);
    case Format::kQ3_K: return Blocks<tensor::BlockQ3_K>(count, random, spread);
    case Format::kIQ4_NL: return Blocks<tensor::BlockIQ4_NL>(count, random, spread);
    case Format::kIQ4_XS: return Blocks<tensor::BlockIQ4_XS>(count, random, spread);
    case Format::kMXFP4: return Blocks<tensor::BlockMXFP4>(count, random, spread);
    case Format::kNVFP4: return Blocks<tensor::BlockNVFP4>(count, random, spread);
    case Format::kTQ1_0: return Blocks<tensor::BlockTQ1_0>(count, random, spread);
    case Format::kTQ2_0: return Blocks<tensor::BlockTQ2_0>(count, random, spread);
    case Format::kIQ1_S: return Blocks<tensor::BlockIQ1_S>(count, random, spread);
    case Format::kIQ1_M: return Blocks<tensor::BlockIQ1_M>(count, random, spread);
    case Format::kIQ2_XXS: return Blocks<tensor::BlockIQ2_XXS>(count, random, spread);
    case Format::kIQ2_XS: return Blocks<tensor::BlockIQ2_XS>(count, random, spread);
    case Format::kIQ2_S: return Blocks<tensor::BlockIQ2_S>(count, random, spread);
    case Format::kIQ3_XXS: return Blocks<tensor::BlockIQ3_XXS>(count, random, spread);
    case Format::kIQ3_S: return Blocks<tensor::BlockIQ3_S>(count, random, spread);
    default: CAIRN_CHECK(tensor::Traits(format).has_matmul); return {};
  }
}

std::vector<std::byte> StoreFloats(Format format, std::span<const float> values) {
  CAIRN_CHECK(format == Format::kF32 || format == Format::kF16 || format == Format::kBF16);
  if (format == Format::kF32) {
    const auto bytes = std::as_bytes(values);
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> bytes;
  bytes.reserve(values.size() * 2);
  for (const float value : values) {
    const std::uint16_t bits =
        format == Format::kF16 ? tensor::HalfOfFloat(value) : tensor::Bf16OfFloat(value);
    bytes.push_back(static_cast<std::byte>(bits & 255));
    bytes.push_back(static_cast<std::byte>(bits >> 8));
  }
  return bytes;
}

}  // namespace cairn::testing
