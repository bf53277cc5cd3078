// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/rows_ref.h"

namespace cairn::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Lengths around one and several vectors of every instruction set.
constexpr int kLengths[] = {1,  2,  3,  7,  8,  9,  15, 16, 17,  23,
                            24, 31, 32, 33, 47, 48, 64, 79, 576, 641};
// Floats after an output that must stay as they were.
constexpr float kGuard = -12345.0f;

// Values of many sizes and both signs, with zeros of both signs among them.
std::vector<float> Values(int n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-12, 7);
  std::vector<float> values(n);
  for (float& v : values) v = std::ldexp(normal(random), exponent(random));
  if (n > 2) values[n / 2] = -0.0f;
  if (n > 5) values[n - 2] = 0.0f;
  return values;
}

void ExpectSameBits(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
        << "value " << i << ": " << got[i] << " and " << want[i];
  }
}

class RowsTest : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& kernels = KernelsFor(GetParam());

  // Calls run(n, x, u, y) and want(x, u) -> expected value for every length, at an odd address.
  template <typename Run, typename Want>
  void Map(Run run, Want want) {
    for (const int n : kLengths) {
      SCOPED_TRACE(n);
      const std::vector<float> x = Values(n, 1), u = Values(n, 2);
      std::vector<float> y(n + 2, kGuard), expected(n + 2, kGuard);
      for (int i = 0; i < n; ++i) expected[i + 1] = want(x[i], u[i]);
      run(n, x.data(), u.data(), y.data() + 1);
      ExpectSameBits(y, expected);
      // In place.
      std::copy(x.begin(), x.end(), y.begin() + 1);
      run(n, y.data() + 1, u.data(), y.data() + 1);
      ExpectSameBits(y, expected);
    }
  }
};

TEST_P(RowsTest, RmsNormOfAnyLengthEqualsTheFormula) {
  for (const int n : kLengths) {
    SCOPED_TRACE(n);
    const std::vector<float> x = Values(n, 3), w = Values(n, 4);
    std::vector<float> y(n + 1, kGuard), expected(n + 1, kGuard);
    kernels.rms_norm(x.data(), w.data(), n, 1e-5f, y.data());
    ref::RmsNorm(x.data(), w.data(), n, 1e-5f, expected.data());
    ExpectSameBits(y, expected);
    std::copy(x.begin(), x.end(), y.begin());
    kernels.rms_norm(y.data(), w.data(), n, 1e-5f, y.data());
    ExpectSameBits(y, expected);
  }
}

TEST_P(RowsTest, MeansOfSquaresAndSparseRowsOfAnyLengthEqualTheirFormulas) {
  for (const int n : kLengths) {
    SCOPED_TRACE(n);
    const std::vector<float> x = Values(n, 3);
    ExpectSameBits({kernels.mean_square(x.data(), n)}, {ref::MeanSquare(x.data(), n)});
    std::vector<float> y(n + 1, kGuard), expected(n + 1, kGuard);
    kernels.sparsify(x.data(), n, 0.7f, y.data());
    ref::Sparsify(x.data(), n, 0.7f, expected.data());
    ExpectSameBits(y, expected);
    std::copy(x.begin(), x.end(), y.begin());
    kernels.sparsify(y.data(), n, 0.7f, y.data());
    ExpectSameBits(y, expected);
  }
}

TEST_P(RowsTest, AddEqualsTheFormula) {
  Map([&](int n, const float* x, const float* u, float* y) { kernels.add(x, u, n, y); },
      [](float x, float u) { return x + u; });
}

TEST_P(RowsTest, ClampEqualsTheFormula) {
  Map([&](int n, const float* x, const float*, float* y) { kernels.clamp(x, 0.75f, n, y); },
      [](float x, float) { return ref::Clamp(x, 0.75f); });
}

TEST_P(RowsTest, AddScaledEqualsTheFormula) {
  for (const int n : kLengths) {
    const std::vector<float> x = Values(n, 1);
    std::vector<float> y = Values(n + 1, 2), expected = y;
    for (int i = 0; i < n; ++i) expected[i] = std::fma(x[i], 0.3f, y[i]);
    kernels.add_scaled(x.data(), 0.3f, n, y.data());
    ExpectSameBits(y, expected);
  }
}

TEST_P(RowsTest, ScaleEqualsTheFormula) {
  Map([&](int n, const float* x, const float*, float* y) { kernels.scale(x, 25.298f, n, y); },
      [](float x, float) { return x * 25.298f; });
}

TEST_P(RowsTest, SiluGateEqualsTheFormula) {
  Map([&](int n, const float* x, const float* u,
          float* y) { kernels.gate(Activation::kSilu, x, u, n, y); },
      [](float x, float u) { return ref::Silu(x) * u; });
}

TEST_P(RowsTest, GeluGateEqualsTheFormula) {
  Map([&](int n, const float* x, const float* u,
          float* y) { kernels.gate(Activation::kGelu, x, u, n, y); },
      [](float x, float u) { return ref::Gelu(x) * u; });
}

constexpr Activation kActivations[] = {
    Activation::kSilu,     Activation::kGelu,        Activation::kGeluErf,
    Activation::kRelu,     Activation::kReluSquared, Activation::kSiluClamped,
    Activation::kSoftplus, Activation::kSigmoid,     Activation::kIdentity};

TEST_P(RowsTest, EveryActivationEqualsItsFormulaAloneAndAsAGate) {
  for (const Activation act : kActivations) {
    Map([&](int n, const float* x, const float* u, float* y) { kernels.gate(act, x, u, n, y); },
        [&](float x, float u) { return ref::Gated(act, x, u); });
    if (act == Activation::kSiluClamped) continue;  // of gates alone
    Map([&](int n, const float* x, const float*, float* y) { kernels.activate(act, x, n, y); },
        [&](float x, float) { return ref::Activated(act, x); });
  }
}

TEST_P(RowsTest, LayerNormOfAnyLengthEqualsTheFormulaWithAndWithoutWeightAndBias) {
  for (const int n : kLengths) {
    const std::vector<float> x = Values(n, 3), weights = Values(n, 4), biases = Values(n, 5);
    for (const float* w : {weights.data(), static_cast<const float*>(nullptr)}) {
      for (const float* b : {biases.data(), static_cast<const float*>(nullptr)}) {
        SCOPED_TRACE(n);
        std::vector<float> y(n + 1, kGuard), expected(n + 1, kGuard);
        kernels.layer_norm(x.data(), w, b, n, 1e-5f, y.data());
        ref::LayerNorm(x.data(), w, b, n, 1e-5f, expected.data());
        ExpectSameBits(y, expected);
        std::copy(x.begin(), x.end(), y.begin());
        kernels.layer_norm(y.data(), w, b, n, 1e-5f, y.data());
        ExpectSameBits(y, expected);
      }
    }
  }
}

TEST_P(RowsTest, RmsNormWithoutAWeightIsThatOfOnes) {
  for (const int n : kLengths) {
    const std::vector<float> x = Values(n, 3), ones(n, 1.0f);
    std::vector<float> y(n), expected(n);
    kernels.rms_norm(x.data(), nullptr, n, 1e-5f, y.data());
    ref::RmsNorm(x.data(), ones.data(), n, 1e-5f, expected.data());
    ExpectSameBits(y, expected);
  }
}

TEST_P(RowsTest, SoftcapEqualsTheFormula) {
  Map([&](int n, const float* x, const float*, float* y) { kernels.softcap(x, 30.0f, n, y); },
      [](float x, float) { return ref::Softcap(x, 30.0f); });
}

TEST_P(RowsTest, ExpShiftedEqualsTheFormula) {
  Map([&](int n, const float* x, const float*, float* y) { kernels.exp_shifted(x, 1.5f, n, y); },
      [](float x, float) { return ref::Exp(x - 1.5f); });
}

TEST_P(RowsTest, RotateEqualsTheFormulaForBothPairings) {
  for (const RotaryPairs pairs : {RotaryPairs::kNeighbours, RotaryPairs::kHalves}) {
    for (const int n_rot : {2, 4, 16, 30, 64, 80, 96, 128, 256}) {
      SCOPED_TRACE(n_rot);
      std::vector<float> got = Values(n_rot + 3, 5), want = got;
      std::vector<float> cos(n_rot / 2), sin(n_rot / 2);
      for (int i = 0; i < n_rot / 2; ++i) {
        cos[i] = std::cos(0.7f * i);
        sin[i] = std::sin(0.7f * i);
      }
      kernels.rotate(pairs, cos.data(), sin.data(), n_rot, got.data());
      ref::Rotate(pairs, cos.data(), sin.data(), n_rot, want.data());
      ExpectSameBits(got, want);
    }
  }
}

// Every f32 of a stride between the cut-offs, and all close to them.
TEST_P(RowsTest, ExpIsWithinTwoUnitsInTheLastPlace) {
  std::vector<float> x;
  for (std::int64_t i = -89'000'000; i <= 88'500'000; i += 97) x.push_back(i * 1e-6f);
  for (int exponent = -40; exponent < 0; ++exponent) {
    for (int i = 0; i < 64; ++i) {
      x.push_back(std::ldexp(1 + i / 64.0f, exponent));
      x.push_back(-x.back());
    }
  }
  std::vector<float> y(x.size());
  kernels.exp_shifted(x.data(), 0, static_cast<int>(x.size()), y.data());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] < -87) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(y[i]), 0u) << x[i];
      continue;
    }
    const double exact = std::exp(static_cast<double>(std::min(x[i], 88.0f)));
    const double unit = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::max(worst, std::abs(y[i] - exact) / unit);
    ASSERT_LT(std::abs(y[i] - exact), 2 * unit) << x[i];
    ASSERT_EQ(y[i], ref::Exp(x[i])) << x[i];
  }
  RecordProperty("worst_units", std::to_string(worst));
}

TEST_P(RowsTest, ExpOfSpecialValues) {
  const std::vector<float> x = {0.0f,  -0.0f,  -87.0f,    std::nextafter(-87.0f, -100.0f),
                                88.0f, 89.0f,  kInfinity, -kInfinity,
                                kNan,  -1e38f, 1e38f,     std::numeric_limits<float>::denorm_min()};
  std::vector<float> y(x.size());
  kernels.exp_shifted(x.data(), 0, static_cast<int>(x.size()), y.data());
  EXPECT_EQ(y[0], 1.0f);
  EXPECT_EQ(y[1], 1.0f);
  EXPECT_GT(y[2], 0.0f);
  EXPECT_EQ(y[3], 0.0f);
  EXPECT_EQ(y[4], y[5]);
  EXPECT_EQ(y[4], y[6]);
  EXPECT_EQ(y[7], 0.0f);
  EXPECT_TRUE(std::isnan(y[8]));
  EXPECT_EQ(y[9], 0.0f);
  EXPECT_EQ(y[10], y[4]);
  EXPECT_EQ(y[11], 1.0f);
}

TEST_P(RowsTest, ActivationsAreCloseToTheirRealFunctions) {
  std::vector<float> x, ones, y;
  for (int i = -20000; i <= 20000; ++i) x.push_back(i * 1e-3f);
  ones.assign(x.size(), 1.0f);
  y.resize(x.size());
  const int n = static_cast<int>(x.size());
  kernels.gate(Activation::kSilu, x.data(), ones.data(), n, y.data());
  for (int i = 0; i < n; ++i) {
    ASSERT_NEAR(y[i], x[i] / (1 + std::exp(-double{x[i]})), 4e-7 * std::abs(x[i]) + 1e-30);
  }
  kernels.gate(Activation::kGelu, x.data(), ones.data(), n, y.data());
  for (int i = 0; i < n; ++i) {
    const double t = double{x[i]};
    const double u = std::sqrt(2 / std::acos(-1.0)) * (t + 0.044715 * t * t * t);
    ASSERT_NEAR(y[i], 0.5 * t * (1 + std::tanh(u)), 2e-6 * std::abs(t) + 1e-30) << t;
  }
  kernels.activate(Activation::kGeluErf, x.data(), n, y.data());
  for (int i = 0; i < n; ++i) {
    const double t = double{x[i]};
    ASSERT_NEAR(y[i], 0.5 * t * std::erfc(-t / std::sqrt(2.0)), 3e-7 * std::abs(t) + 1e-30) << t;
  }
  kernels.activate(Activation::kSoftplus, x.data(), n, y.data());
  for (int i = 0; i < n; ++i) {
    const double exact = std::log1p(std::exp(double{x[i]}));
    ASSERT_NEAR(y[i], exact, 4e-7 * exact) << x[i];
  }
  kernels.activate(Activation::kSigmoid, x.data(), n, y.data());
  for (int i = 0; i < n; ++i) {
    const double exact = 1 / (1 + std::exp(-double{x[i]}));
    ASSERT_NEAR(y[i], exact, 4e-7 * exact) << x[i];
  }
  kernels.softcap(x.data(), 1, n, y.data());
  for (int i = 0; i < n; ++i) ASSERT_NEAR(y[i], std::tanh(double{x[i]}), 3e-7) << x[i];
}

TEST_P(RowsTest, ValuesThatAreNotNumbersStaySo) {
  for (int i = 0; i < 19; ++i) {
    std::vector<float> x = Values(19, 6), y(19);
    const std::vector<float> u = Values(19, 7);
    x[i] = kNan;
    const auto check = [&] {
      for (int j = 0; j < 19; ++j) ASSERT_EQ(std::isnan(y[j]), i == j) << i << " " << j;
    };
    for (const Activation act : kActivations) {
      kernels.gate(act, x.data(), u.data(), 19, y.data());
      check();
      if (act == Activation::kSiluClamped) continue;  // of gates alone
      kernels.activate(act, x.data(), 19, y.data());
      check();
    }
    kernels.clamp(x.data(), 1, 19, y.data());
    check();
    kernels.softcap(x.data(), 30, 19, y.data());
    check();
    kernels.exp_shifted(x.data(), 0, 19, y.data());
    check();
    kernels.rms_norm(x.data(), u.data(), 19, 1e-6f, y.data());
    for (int j = 0; j < 19; ++j) ASSERT_TRUE(std::isnan(y[j]));
    kernels.layer_norm(x.data(), u.data(), u.data(), 19, 1e-6f, y.data());
    for (int j = 0; j < 19; ++j) ASSERT_TRUE(std::isnan(y[j]));
  }
}

TEST_P(RowsTest, ArgmaxTakesTheLowestOfEquals) {
  for (const int n : kLengths) {
    for (int first = 0; first < n; first += 1 + n / 20) {
      for (int second = first; second < n; second += 1 + n / 20) {
        std::vector<float> x(n, -3.0f);
        x[first] = x[second] = 2.5f;
        ASSERT_EQ(kernels.argmax(x.data(), n), first) << n;
      }
    }
  }
}

TEST_P(RowsTest, ArgmaxNeverTakesWhatIsNotANumber) {
  for (const int n : kLengths) {
    for (int place = 0; place < n; place += 1 + n / 20) {
      std::vector<float> x(n, kNan);
      x[place] = -1e30f;
      ASSERT_EQ(kernels.argmax(x.data(), n), place) << n;
      x[place] = -kInfinity;
      ASSERT_EQ(kernels.argmax(x.data(), n), place) << n;
    }
    const std::vector<float> none(n, kNan);
    ASSERT_EQ(kernels.argmax(none.data(), n), 0);
  }
}

TEST_P(RowsTest, ArgmaxCountsZerosOfBothSignsAsEqual) {
  std::vector<float> x(40, -1.0f);
  x[5] = -0.0f;
  x[21] = 0.0f;
  EXPECT_EQ(kernels.argmax(x.data(), 40), 5);
  x[3] = 0.0f;
  EXPECT_EQ(kernels.argmax(x.data(), 40), 3);
}

TEST_P(RowsTest, ArgmaxOfRandomValuesEqualsThePlainLoop) {
  for (const int n : kLengths) {
    const std::vector<float> x = Values(n, 8);
    ASSERT_EQ(kernels.argmax(x.data(), n), ref::Argmax(x.data(), n));
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, RowsTest, testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace cairn::kernels
