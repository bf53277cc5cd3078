// SPDX-License-Identifier: Apache-2.0
#include "tensor/quantise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/fit.h"
#include "tensor/half.h"
#include "tensor/pack_codes.h"

namespace cairn::tensor {
namespace {

constexpr float kLargestHalf = 65504;

// A scale as it is stored. What is too large for 16 bits becomes the largest there is.
std::uint16_t Stored(float scale) {
  return HalfOfFloat(std::clamp(scale, -kLargestHalf, kLargestHalf));
}

void WriteCodes(const float* codes, int n, int offset, std::uint8_t* q) {
  for (int i = 0; i < n; ++i) q[i] = static_cast<std::uint8_t>(static_cast<int>(codes[i]) + offset);
}

// --- blocks of 32 with scales of their own --------------------------------------------------

void Make(const Weighted& v, BlockQ8_0& b) {
  constexpr CodeRange kRange{-127, 127};
  b.d = Stored(FitScale(v, kRange));
  float codes[32];
  CodeError(v, kRange, FloatOfHalf(b.d), 0, codes);
  for (int i = 0; i < 32; ++i) b.qs[i] = static_cast<std::int8_t>(codes[i]);
}

// value = d (q - half).
template <typename Block>
void MakeCentred(const Weighted& v, int half, Block& b) {
  const CodeRange range{-half, half - 1};
  b.d = Stored(FitScale(v, range));
  float codes[32];
  CodeError(v, range, FloatOfHalf(b.d), 0, codes);
  std::uint8_t q[32];
  WriteCodes(codes, 32, half, q);
  PackCodes(q, b);
}
void Make(const Weighted& v, BlockQ4_0& b) { MakeCentred(v, 8, b); }
void Make(const Weighted& v, BlockQ5_0& b) { MakeCentred(v, 16, b); }

// value = d q + m.
template <typename Block>
void MakeAffine(const Weighted& v, int hi, Block& b) {
  const Affine fit = FitAffine(v, hi, false);
  b.d = Stored(fit.scale);
  b.m = Stored(fit.offset);
  float codes[32];
  CodeError(v, {0, hi}, FloatOfHalf(b.d), FloatOfHalf(b.m), codes);
  std::uint8_t q[32];
  WriteCodes(codes, 32, 0, q);
  PackCodes(q, b);
}
void Make(const Weighted& v, BlockQ4_1& b) { MakeAffine(v, 15, b); }
void Make(const Weighted& v, BlockQ5_1& b) { MakeAffine(v, 31, b); }

void Make(const Weighted& v, BlockIQ4_NL& b) {
  const std::span<const std::int8_t, 16> table(kIq4Values.of);
  b.d = Stored(FitTable(v, table));
  std::uint8_t q[32];
  TableError(v, table, FloatOfHalf(b.d), q);
  PackCodes(q, b);
}

// --- blocks of 256 whose sub-blocks have scales of a few bits -------------------------------

constexpr int kBlock = 256;
constexpr int kRounds = 3;  // of choosing the sub-blocks' scales and fitting the block's again

Weighted Part(const Weighted& v, int sub, int size) {
  return {v.x + sub * size, v.w + sub * size, size};
}

// value = d scale q - dmin minimum, scale and minimum in [0, kMost], codes in [0, kHi].
template <int kSub, int kHi, int kMost, int kReach>
struct WithMinima {
  static constexpr int kSubs = kBlock / kSub;
  std::uint16_t d = 0, dmin = 0;
  int scale[kSubs] = {}, minimum[kSubs] = {};
  float codes[kBlock] = {};
  double error = 0;

  // The best scale and minimum of each sub-block near what was fitted, under the block's two.
  void Choose(const Weighted& v, const Affine* fits) {
    const float step = FloatOfHalf(d), low = FloatOfHalf(dmin);
    error = 0;
    for (int j = 0; j < kSubs; ++j) {
      const Weighted part = Part(v, j, kSub);
      const int s = step > 0 ? Near(fits[j].scale / step) : 0;
      const int m = low > 0 ? Near(-fits[j].offset / low) : 0;
      float best = INFINITY;
      for (int a = std::max(0, s - kReach); a <= std::min(kMost, s + kReach); ++a) {
        for (int b = std::max(0, m - kReach); b <= std::min(kMost, m + kReach); ++b) {
          const float its = CodeError(part, {0, kHi}, step * static_cast<float>(a),
                                      -low * static_cast<float>(b), nullptr);
          if (!(its < best)) continue;
          best = its;
          scale[j] = a;
          minimum[j] = b;
        }
      }
      error += CodeError(part, {0, kHi}, step * static_cast<float>(scale[j]),
                         -low * static_cast<float>(minimum[j]), codes + j * kSub);
    }
  }
  static int Near(float v) {
    return static_cast<int>(std::lround(std::clamp(v, 0.0f, static_cast<float>(kMost))));
  }

  // d and dmin by least squares over the block, with everything else as it is.
  bool FitAgain(const Weighted& v) {
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int i = 0; i < kBlock; ++i) {
      const double a = scale[i / kSub] * static_cast<double>(codes[i]), b = -minimum[i / kSub];
      const double w = v.w[i], x = v.x[i];
      aa += w * a * a;
      ab += w * a * b;
      bb += w * b * b;
      xa += w * x * a;
      xb += w * x * b;
    }
    const double determinant = aa * bb - ab * ab;
    if (aa <= 0) return false;
    double step = xa / aa, low = 0;
    if (determinant > 1e-12 * aa * bb) {
      step = (xa * bb - xb * ab) / determinant;
      low = (xb * aa - xa * ab) / determinant;
      if (low < 0) step = xa / aa, low = 0;
    }
    if (!(step > 0)) return false;
    d = Stored(static_cast<float>(step));
    dmin = Stored(static_cast<float>(low));
    return true;
  }

  static WithMinima Of(const Weighted& v) {
    Affine fits[kSubs];
    float most_scale = 0, most_minimum = 0;
    for (int j = 0; j < kSubs; ++j) {
      fits[j] = FitAffine(Part(v, j, kSub), kHi, true);
      most_scale = std::max(most_scale, fits[j].scale);
      most_minimum = std::max(most_minimum, -fits[j].offset);
    }
    WithMinima made;
    made.d = Stored(most_scale / kMost);
    made.dmin = Stored(most_minimum / kMost);
    made.Choose(v, fits);
    WithMinima best = made;
    for (int round = 0; round < kRounds && made.FitAgain(v); ++round) {
      made.Choose(v, fits);
      if (made.error < best.error) best = made;
    }
    return best;
  }
};

// value = d scale q, scale in [kLeast, kMost], codes in [-kHalf, kHalf - 1].
template <int kSub, int kHalf, int kLeast, int kMost>
struct Centred {
  static constexpr int kSubs = kBlock / kSub;
  static constexpr CodeRange kRange{-kHalf, kHalf - 1};
  std::uint16_t d = 0;
  int scale[kSubs] = {};
  float codes[kBlock] = {};
  double error = 0;

  void Choose(const Weighted& v, const float* fits) {
    const float step = FloatOfHalf(d);
    error = 0;
    for (int j = 0; j < kSubs; ++j) {
      const Weighted part = Part(v, j, kSub);
      const float near = step != 0 ? std::clamp(fits[j] / step, float(kLeast), float(kMost)) : 0;
      const int s = static_cast<int>(std::lround(near));
      float best = INFINITY;
      for (int a = std::max(kLeast, s - 1); a <= std::min(kMost, s + 1); ++a) {
        const float its = CodeError(part, kRange, step * static_cast<float>(a), 0, nullptr);
        if (!(its < best)) continue;
        best = its;
        scale[j] = a;
      }
      error += CodeError(part, kRange, step * static_cast<float>(scale[j]), 0, codes + j * kSub);
    }
  }

  bool FitAgain(const Weighted& v) {
    double aa = 0, xa = 0;
    for (int i = 0; i < kBlock; ++i) {
      const double a = scale[i / kSub] * static_cast<double>(codes[i]);
      aa += v.w[i] * a * a;
      xa += v.w[i] * static_cast<double>(v.x[i]) * a;
    }
    if (aa <= 0) return false;
    d = Stored(static_cast<float>(xa / aa));
    return FloatOfHalf(d) != 0;
  }

  static Centred Of(const Weighted& v) {
    float fits[kSubs], furthest = 0;
    for (int j = 0; j < kSubs; ++j) {
      fits[j] = FitScale(Part(v, j, kSub), kRange);
      if (std::fabs(fits[j]) > std::fabs(furthest)) furthest = fits[j];
    }
    Centred best;
    best.error = INFINITY;
    // The largest scale may become the lowest number or the highest.
    for (const int end : {kLeast, kMost}) {
      Centred made;
      made.d = Stored(furthest / static_cast<float>(end));
      made.Choose(v, fits);
      if (made.error < best.error) best = made;
      for (int round = 0; round < kRounds && made.FitAgain(v); ++round) {
        made.Choose(v, fits);
        if (made.error < best.error) best = made;
      }
    }
    return best;
  }
};

template <typename Made, typename Block>
void PackAll(const Made& made, int offset, Block& b) {
  std::uint8_t q[kBlock];
  WriteCodes(made.codes, kBlock, offset, q);
  PackCodes(q, b);
  b.d = made.d;
  if constexpr (requires { b.dmin; }) b.dmin = made.dmin;
}

void Make(const Weighted& v, BlockQ4_K& b) {
  const auto made = WithMinima<32, 15, 63, 1>::Of(v);
  PackAll(made, 0, b);
  PackScales(made.scale, made.minimum, b.scales);
}
void Make(const Weighted& v, BlockQ5_K& b) {
  const auto made = WithMinima<32, 31, 63, 1>::Of(v);
  PackAll(made, 0, b);
  PackScales(made.scale, made.minimum, b.scales);
}
void Make(const Weighted& v, BlockQ2_K& b) {
  const auto made = WithMinima<16, 3, 15, 2>::Of(v);
  PackAll(made, 0, b);
  for (int j = 0; j < 16; ++j) {
    b.scales[j] = static_cast<std::uint8_t>(made.scale[j] | made.minimum[j] << 4);
  }
}
void Make(const Weighted& v, BlockQ3_K& b) {
  const auto made = Centred<16, 4, -32, 31>::Of(v);
  PackAll(made, 4, b);
  PackScales(made.scale, b.scales);
}
void Make(const Weighted& v, BlockQ6_K& b) {
  const auto made = Centred<16, 32, -128, 127>::Of(v);
  PackAll(made, 32, b);
  for (int j = 0; j < 16; ++j) b.scales[j] = static_cast<std::int8_t>(made.scale[j]);
}

// --- rows -----------------------------------------------------------------------------------

template <typename Block, int kValues>
void Blocks(std::span<const float> values, const float* weights, std::byte* out) {
  for (std::size_t at = 0; at < values.size(); at += kValues, out += sizeof(Block)) {
    Block block{};
    Make({values.data() + at, weights + at, kValues}, block);
    std::memcpy(out, &block, sizeof(block));
  }
}

template <typename Stored16, std::uint16_t (*kConvert)(float)>
void Halves(std::span<const float> values, std::byte* out) {
  for (const float value : values) {
    const Stored16 stored = kConvert(value);
    std::memcpy(out, &stored, sizeof(stored));
    out += sizeof(stored);
  }
}

// Larger values become the largest, as in files that others write for f16 (not infinite).
std::uint16_t SaturatedHalf(float value) { return Stored(value); }

Result<void> CheckRow(Format format, std::span<const float> values,
                      std::span<const float> importance, std::size_t out_bytes) {
  const FormatTraits& traits = Traits(format);
  if (values.size() % static_cast<std::size_t>(traits.block_values) != 0 ||
      (!importance.empty() && importance.size() != values.size()) ||
      out_bytes != RowBytes(format, values.size())) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} values, {} weights and {} bytes do not fit {}", values.size(),
                            importance.size(), out_bytes, traits.name));
  }
  const auto finite = [](float value) { return std::isfinite(value); };
  if (!std::ranges::all_of(values, finite)) {
    return Fail(ErrorCode::kNumeric, "a value is not finite");
  }
  const auto weight = [](float value) { return std::isfinite(value) && value >= 0; };
  if (std::ranges::all_of(importance, weight)) return {};
  return Fail(ErrorCode::kNumeric, "a weight of importance is below 0 or not finite");
}

// Weights of the row. None is 0, so that a column that was never used keeps about its values.
std::vector<float> WeightsOf(std::span<const float> importance, std::size_t count) {
  constexpr double kLeastShare = 1e-4;  // of the mean
  double sum = 0;
  for (const float w : importance) sum += w;
  if (sum <= 0) return std::vector<float>(count, 1.0f);
  const double mean = sum / static_cast<double>(count);
  std::vector<float> weights;
  for (const float w : importance) {
    weights.push_back(static_cast<float>(std::max<double>(w / mean, kLeastShare)));
  }
  return weights;
}

}  // namespace

bool CanQuantise(Format format) {
  switch (format) {
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16:
    case Format::kQ4_0:
    case Format::kQ4_1:
    case Format::kQ5_0:
    case Format::kQ5_1:
    case Format::kQ8_0:
    case Format::kQ2_K:
    case Format::kQ3_K:
    case Format::kQ4_K:
    case Format::kQ5_K:
    case Format::kQ6_K:
    case Format::kIQ4_NL: return true;
    default: return false;
  }
}

Result<void> Quantise(Format format, std::span<const float> values,
                      std::span<const float> importance, std::span<std::byte> out) {
  OR_RETURN(CheckRow(format, values, importance, out.size()));
  const std::vector<float> weights = WeightsOf(importance, values.size());
  const float* w = weights.data();
  std::byte* to = out.data();
  switch (format) {
    case Format::kF32: std::memcpy(to, values.data(), values.size_bytes()); return {};
    case Format::kF16: Halves<std::uint16_t, SaturatedHalf>(values, to); return {};
    case Format::kBF16: Halves<std::uint16_t, Bf16OfFloat>(values, to); return {};
    case Format::kQ4_0: Blocks<BlockQ4_0, 32>(values, w, to); return {};
    case Format::kQ4_1: Blocks<BlockQ4_1, 32>(values, w, to); return {};
    case Format::kQ5_0: Blocks<BlockQ5_0, 32>(values, w, to); return {};
    case Format::kQ5_1: Blocks<BlockQ5_1, 32>(values, w, to); return {};
    case Format::kQ8_0: Blocks<BlockQ8_0, 32>(values, w, to); return {};
    case Format::kIQ4_NL: Blocks<BlockIQ4_NL, 32>(values, w, to); return {};
    case Format::kQ2_K: Blocks<BlockQ2_K, 256>(values, w, to); return {};
    case Format::kQ3_K: Blocks<BlockQ3_K, 256>(values, w, to); return {};
    case Format::kQ4_K: Blocks<BlockQ4_K, 256>(values, w, to); return {};
    case Format::kQ5_K: Blocks<BlockQ5_K, 256>(values, w, to); return {};
    case Format::kQ6_K: Blocks<BlockQ6_K, 256>(values, w, to); return {};
    default:
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("{} cannot be written, only read", Traits(format).name));
  }
}

}  // namespace cairn::tensor
